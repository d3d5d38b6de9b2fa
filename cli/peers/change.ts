import type { AppParts } from '../../lib/app.ts';
import type { Address, AddressPolicy, AddressRefusal } from '../../lib/peers/address.ts';
import { canonicalSpelling } from '../../lib/peers/reply.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import { verifyIdentity } from '../../lib/store/identity.ts';
import { listOf, orThrow, repliesTo } from '../../lib/store/replies.ts';
import { begin, policyFor } from '../../report/read/begin.ts';
import { visible } from '../../report/text/escape.ts';
import { type Context, withParts } from '../context.ts';
import { UsageError } from '../errors.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';

type Kind = 'consumers' | 'producers';

/** What came of it, for `--json`. */
interface Result {
  readonly done: 'added' | 'moved' | 'unchanged' | 'removed' | 'nothing';
  readonly uuid: Uuid;
  readonly address?: string;
  readonly before?: string;
}

/**
 * `p2p consumers add <uuid> <address>`, and producers alike. The entry obeys the rules that every entry has to obey before
 * it is called, so what is added can be called. A UUID that is known at another address is left alone without `--replace`.
 */
export function addPeer(context: Context, kind: Kind): Promise<ExitCode> {
  const [, , rawUuid, rawAddress] = context.args.words;
  const uuid = readUuid(rawUuid, kind);
  return withParts(context, async (parts) => {
    const { config, keys, redis } = parts;
    // Before Redis is asked, which need not be there for a typing error.
    requireAddress(rawAddress, parts.policy, kind);
    if (uuid === config.localUuid) {
      throw new UsageError(`${uuid} is this consumer itself (LOCAL_UUID).`, kind);
    }
    const { field, stored, policy } = await lookUp(uuid, kind, parts);
    const wanted = requireAddress(rawAddress, policy, kind);
    const address = canonicalSpelling(wanted, rawAddress ?? '');
    if (stored === undefined) {
      await repliesTo(redis, [['HSETNX', keys[kind], field, address]]);
      return confirmAdded(context, kind, { uuid, field, address }, parts);
    }
    const known = policy.parse(stored);
    if ('address' in known && known.address.key === wanted.key) {
      return report(context, kind, { done: 'unchanged', uuid, address: stored });
    }
    if (!context.args.flag('replace')) {
      context.note(
        `${uuid} is known at ${visible(stored)}. --replace moves it to ${address}. Nothing was changed.`,
      );
      return EXIT.attention;
    }
    await repliesTo(redis, [['HSET', keys[kind], field, address]]);
    return report(context, kind, { done: 'moved', uuid, address, before: stored });
  });
}

/** @throws UsageError for what may not be called. */
function requireAddress(raw: string | undefined, policy: AddressPolicy, kind: Kind): Address {
  const parsed = policy.parse(raw);
  if ('address' in parsed) return parsed.address;
  throw new UsageError(refusalText(visible(raw ?? ''), parsed.refused), kind);
}

/** HSETNX changes nothing where somebody else was faster, and answers 0 as well when it is repeated after a lost reply. */
async function confirmAdded(
  context: Context,
  kind: Kind,
  { uuid, field, address }: { uuid: Uuid; field: string; address: string },
  { redis, keys }: AppParts,
): Promise<ExitCode> {
  const [stored] = await repliesTo(redis, [['HGET', keys[kind], field]]);
  if (stored === address) return report(context, kind, { done: 'added', uuid, address });
  context.note(`${uuid} was added by somebody else at this moment, at another address. Nothing was changed.`);
  return EXIT.attention;
}

/** `p2p consumers remove <uuid>`, and producers alike. */
export function removePeer(context: Context, kind: Kind): Promise<ExitCode> {
  const uuid = readUuid(context.args.words[2], kind);
  return withParts(context, async (parts) => {
    const { field, stored } = await lookUp(uuid, kind, parts);
    if (stored === undefined) return report(context, kind, { done: 'nothing', uuid });
    await repliesTo(parts.redis, [['HDEL', parts.keys[kind], field]]);
    return report(context, kind, { done: 'removed', uuid, before: stored });
  });
}

function readUuid(raw: string | undefined, kind: Kind): Uuid {
  const uuid = parseUuid(raw);
  if (uuid === undefined) {
    throw new UsageError(
      `"${visible(raw ?? '')}" is no UUID like 1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b.`,
      kind,
    );
  }
  return uuid;
}

/** What stands in Redis about a UUID, which the API may spell in capitals, and the rules that know our own addresses. */
async function lookUp(
  uuid: Uuid,
  kind: Kind,
  parts: AppParts,
): Promise<{ field: string; stored: string | undefined; policy: AddressPolicy }> {
  const { redis, keys, config } = parts;
  const fields = [uuid, uuid.toUpperCase()];
  const { identity, register, rest } = await begin(parts, [['HMGET', keys[kind], ...fields]]);
  const found = listOf(orThrow(rest[0]));
  if (identity === 'absent') await verifyIdentity(null, { redis, keys, localUuid: config.localUuid });
  const at = found.findIndex((value) => typeof value === 'string');
  return {
    field: fields[at] ?? uuid,
    stored: at < 0 ? undefined : String(found[at]),
    policy: policyFor(parts, register),
  };
}

/** Why an address is not called, and which setting would allow it. */
export function refusalText(
  shown: string,
  refused: AddressRefusal,
  allow = 'PEER_ALLOW_CIDRS may name the network that it is in.',
): string {
  switch (refused) {
    case 'not-an-address':
      return `"${shown}" is no address like 198.51.100.7, 198.51.100.7:8080 or [2001:db8::7]:8080. Names are not looked up.`;
    case 'not-public':
      return `${shown} is not public. ${allow}`;
    case 'forbidden':
      return `${shown} is never called: metadata services, link-local addresses and the like.`;
    case 'self':
      return `${shown} is this consumer's own address.`;
  }
}

const REMARKS: Readonly<Record<Kind, Partial<Record<Result['done'], string>>>> = {
  consumers: {
    added: 'It is called in the next round; `sync` starts one now.',
    moved: 'It is called there in the next round; `sync` starts one now.',
    removed: 'Peers that still know it may introduce it again.',
  },
  producers: {
    added: 'Nothing was sent: it hears of the next change. `notify --ip <address>` tells all producers now.',
    removed: 'A delivery that was still due is postponed, and dropped at a change after more than a day.',
  },
};

function report({ args, screen }: Context, kind: Kind, result: Result): ExitCode {
  const { done, uuid, address, before } = result;
  if (args.flag('json')) screen.json(result);
  else {
    const one = kind.slice(0, -1);
    const texts: Record<Result['done'], string> = {
      added: `${uuid} is a ${one} now, at ${address}.`,
      moved: `${uuid} is at ${address} now; it was at ${visible(before ?? '')}.`,
      unchanged: `${uuid} is a ${one} at ${visible(address ?? '')} already.`,
      removed: `${uuid} is no ${one} any more; it was at ${visible(before ?? '')}.`,
      nothing: `${uuid} is no ${one}. Nothing was changed.`,
    };
    screen.text(`${texts[done]} ${REMARKS[kind][done] ?? ''}`.trim());
  }
  return done === 'nothing' ? EXIT.attention : EXIT.ok;
}
