import * as v from 'valibot';
import { EventError } from '../errors.ts';
import { parseEpoch } from '../ip/register.ts';
import { type Cidr, type Ip, type IpFamily, parseIp, parseOwnIp } from '../peers/ip-space.ts';

/** What an event asks for: deliver what is due, or first commit the operator's word as a change. */
export type NotifyCommand =
  | {
      readonly kind: 'deliver';
      /** The change that `ip-check` says it has committed. Only for the log: the address that is sent is Redis's. */
      readonly changed?: { readonly ip: string; readonly epoch: number };
    }
  | {
      readonly kind: 'word';
      readonly ip: Ip;
      /** The host's own id of the command, where it made one. The word counts once per id. */
      readonly id?: string;
    };

const CHANGED = v.strictObject({
  changed: v.strictObject({
    ip: v.pipe(
      v.string(),
      v.check((ip) => parseIp(ip) !== undefined, 'an IP address'),
    ),
    epoch: v.pipe(
      v.number(),
      v.check((epoch) => parseEpoch(epoch) !== undefined, 'an epoch'),
    ),
  }),
});
const WORD = v.strictObject({
  ip: v.pipe(v.string(), v.maxLength(100)),
  id: v.optional(
    v.pipe(
      v.string(),
      v.check(({ length }) => length >= 1 && length <= 200, '1 to 200 characters long'),
    ),
  ),
});

/**
 * Reads an event of producer-notify. There are three, and none can be mistaken for another:
 *
 * - `{}`, or nothing at all: deliver what is due.
 * - `{"changed": {"ip", "epoch"}}` from `ip-check`: the same.
 * - `{"ip", "id"?}`: the operator's word. It must be an address that may be ours.
 *
 * @throws EventError for anything else. It names a field that is unknown or wrong, and never repeats a value: somebody may
 * have put a secret there by mistake.
 */
export function parseNotifyEvent(
  event: unknown,
  rules: { readonly family: IpFamily; readonly allowCidrs: readonly Cidr[] },
): NotifyCommand {
  if (event === undefined || event === null) return { kind: 'deliver' };
  if (typeof event !== 'object' || Array.isArray(event)) {
    throw new EventError(
      'The event of producer-notify must be a JSON object like {} or {"ip": "203.0.113.7"}.',
    );
  }
  if (Object.keys(event).length === 0) return { kind: 'deliver' };
  if ('changed' in event) return { kind: 'deliver', ...parsed(CHANGED, event) };

  const { ip: raw, id } = parsed(WORD, event);
  const own = parseOwnIp(raw, { family: rules.family, allow: rules.allowCidrs });
  if ('refused' in own) {
    throw new EventError(`The address to tell cannot be this host's: ${refusal(own.refused, rules.family)}.`);
  }
  return { kind: 'word', ip: own.ip, ...(id !== undefined && { id }) };
}

function parsed<Schema extends typeof CHANGED | typeof WORD>(
  schema: Schema,
  event: object,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, event);
  if (result.success) return result.output;
  const faults = result.issues.map((issue) => {
    const field = `"${v.getDotPath(issue) ?? 'event'}"`;
    if (issue.expected === 'never') return `${field} is not known`;
    if (issue.type === 'strict_object' && issue.received === 'undefined') return `${field} is missing`;
    return `${field} must be ${issue.type === 'check' ? issue.message : issue.expected}`;
  });
  throw new EventError(
    `The event of producer-notify cannot be used: ${[...new Set(faults)].join(', ')}. ` +
      'It is {}, or {"ip": "<address>"} for the operator\'s word.',
  );
}

function refusal(refused: 'not-an-ip' | 'not-public' | 'wrong-family', family: IpFamily): string {
  switch (refused) {
    case 'not-an-ip':
      return 'it is not an IP address';
    case 'wrong-family':
      return `it is not of IP_FAMILY ${family}`;
    case 'not-public':
      return 'it is not public; IP_ALLOW_CIDRS may name the network that it is in';
  }
}
