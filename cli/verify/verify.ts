import * as v from 'valibot';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import type { Cidr } from '../../lib/peers/ip-space.ts';
import { createSigner, parseSigningKey } from '../../lib/peers/signing.ts';
import { parseUuid } from '../../lib/peers/uuid.ts';
import { createRedis } from '../../lib/redis/client.ts';
import { parseRedisUrl } from '../../lib/redis/url.ts';
import { cidrs } from '../../lib/variable-checks.ts';
import { plural } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import { type Context, environmentOf } from '../context.ts';
import { UsageError } from '../errors.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { refusalText } from '../peers/change.ts';
import type { Tone } from '../text/line.ts';
import type { Screen } from '../text/screen.ts';
import { describe } from './caller.ts';
import { CONSUMER_RULES, SYNC_DEADLINE_MS } from './consumer.ts';
import { openDatabase } from './database.ts';
import { NOTIFY_DEADLINE_MS, PRODUCER_RULES } from './producer.ts';
import { checkRules, type Finding, type Rule } from './rule.ts';
import { createSubject, type Subject, type SubjectOptions } from './subject.ts';

type Kind = 'consumer' | 'producer';

interface Contract {
  readonly rules: readonly Rule<Subject>[];
  readonly path: string;
  readonly deadlineMs: number;
}

const CONTRACTS: Readonly<Record<Kind, Contract>> = {
  consumer: { rules: CONSUMER_RULES, path: '/sync', deadlineMs: SYNC_DEADLINE_MS },
  producer: { rules: PRODUCER_RULES, path: '/ip', deadlineMs: NOTIFY_DEADLINE_MS },
};

/** How long half a request is left open. The contract says 5 s. */
const PATIENCE_MS = 10_000;

/** `p2p verify consumer|producer <address>`: does a running peer, of anybody's making, keep the contract? */
export async function verify(context: Context): Promise<ExitCode> {
  const [, kind, raw, ...rest] = context.args.words;
  if ((kind !== 'consumer' && kind !== 'producer') || raw === undefined || rest.length > 0) {
    throw new UsageError('verify takes "consumer address" or "producer address".', 'verify');
  }
  const contract = CONTRACTS[kind];
  const { database, close, ...given } = await readOptions(context, raw, kind);
  try {
    const subject = createSubject({
      ...given,
      database,
      deadlineMs: contract.deadlineMs,
      patienceMs: PATIENCE_MS,
    });
    const first = await subject.call(contract.path, {});
    if (first.kind === 'failed' && !first.why.startsWith('no whole reply')) {
      context.note(`The ${kind} at ${given.address.key} cannot be reached: ${describe(first)}.`);
      if (context.args.flag('json')) {
        context.screen.json({ error: { kind: 'unreachable', message: describe(first) } });
      }
      return EXIT.unavailable;
    }
    const findings = await checkRules(contract.rules, subject);
    const conforms = findings.every(({ result }) => result !== 'wrong');
    if (context.args.flag('json')) context.screen.json({ [kind]: given.address.key, conforms, findings });
    else show(context.screen, `The ${kind} at ${given.address.key}`, findings);
    return conforms ? EXIT.ok : EXIT.attention;
  } finally {
    await database?.restore();
    await close();
  }
}

type Options = Pick<SubjectOptions, 'address' | 'database' | 'peerPort' | 'signer'> & {
  close(): Promise<void>;
};

async function readOptions(context: Context, raw: string, kind: Kind): Promise<Options> {
  const { args } = context;
  const policy = createAddressPolicy({ defaultPort: 80, allow: readAllow(args.text('allow')) });
  const parsed = policy.parse(raw);
  if ('refused' in parsed) {
    const allow = 'Open its network with --allow, such as --allow 127.0.0.0/8.';
    throw new UsageError(refusalText(visible(raw), parsed.refused, allow), 'verify');
  }
  const { address } = parsed;
  const peerPort = args.whole('port', { fallback: 80, min: 1, max: 65_535 });
  const signer = readSigner(context);
  const url = args.text('redis');
  if (url === undefined)
    return { address, database: undefined, peerPort, signer, close: async () => undefined };
  if (kind === 'producer') throw new UsageError('A producer has no Redis that --redis could name.', 'verify');
  const target = parseRedisUrl(url);
  if ('fault' in target) throw new UsageError(`--redis ${target.fault}.`, 'verify');
  context.hide([new URL(url).password].filter(Boolean));
  const { REDIS_TOKEN: token } = environmentOf(context).env;
  const redis = createRedis({ url, token, names: { url: '--redis', token: 'REDIS_TOKEN' } });
  try {
    const database = await openDatabase(redis, args.text('prefix') ?? '{p2p}:');
    return { address, database, peerPort, signer, close: () => redis.close() };
  } catch (error) {
    await redis.close();
    throw error;
  }
}

function readAllow(text = ''): readonly Cidr[] {
  const parsed = v.safeParse(cidrs, text);
  if (parsed.success) return parsed.output;
  throw new UsageError(`--allow ${parsed.issues[0].message}.`, 'verify');
}

function readSigner(context: Context): Subject['signer'] {
  const as = context.args.text('as');
  if (as === undefined) return undefined;
  const uuid = parseUuid(as);
  if (uuid === undefined) throw new UsageError('--as must be a UUID.', 'verify');
  const text = environmentOf(context).env.SIGNING_KEY ?? '';
  context.hide([text].filter(Boolean));
  const key = parseSigningKey(text);
  const sign = key === undefined ? undefined : createSigner([key]);
  if (sign === undefined)
    throw new UsageError('--as needs one key in SIGNING_KEY: "npm run keygen" makes one.', 'verify');
  return { uuid, sign };
}

const TONES: Readonly<Record<Finding['result'], Tone>> = {
  holds: 'good',
  wrong: 'bad',
  optional: 'warning',
  unchecked: 'dim',
};
const RESULT_WIDTH = 11;

function show(screen: Screen, peer: string, findings: readonly Finding[]): void {
  const count = (result: Finding['result']) => findings.filter((finding) => finding.result === result).length;
  const mistakes = count('wrong');
  screen.line(
    mistakes === 0 ? ['CONFORMS', 'good'] : ['WRONG', 'bad'],
    `  ${peer}: ${plural(count('holds'), 'rule')} kept, ${mistakes} broken, ${count('optional')} optional, ${count('unchecked')} not checked`,
  );
  screen.line();
  for (const { result, rule, docs, found } of findings) {
    screen.beside([[result.padEnd(RESULT_WIDTH), TONES[result]]], `${rule}: ${found}`);
    if (result !== 'holds') screen.line(' '.repeat(RESULT_WIDTH), [docs, 'dim']);
  }
}
