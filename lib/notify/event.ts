import * as v from 'valibot';
import { EventError } from '../errors.ts';
import { type Cidr, type Ip, type IpFamily, parseOwnIp } from '../peers/ip-space.ts';

/** What an event asks for: deliver what is due, or first commit an operator's word as a change. */
export type NotifyCommand =
  | { readonly kind: 'drain' }
  | {
      readonly kind: 'word';
      readonly ip: Ip;
      /** The host's own id of the command, where it made one: the word counts once per id. */
      readonly id?: string;
    };

const EVENT = v.strictObject({
  ip: v.optional(v.pipe(v.string(), v.maxLength(100))),
  epoch: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  id: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(200))),
});

/**
 * Reads an event of producer-notify.
 *
 * - `{ip, epoch}` or `{epoch}`, as `ip-check` sends it, and everything that has neither field (`{}`, a scheduled event,
 *   nothing at all): deliver what is due. The address that is sent is the register's, never the event's.
 * - `{ip}` without epoch: an operator's word. It must be an address that may be ours.
 *
 * @throws EventError for anything else. An event with one of our fields may have no unknown one: `{"ip": …, "epcoh": …}`
 * would commit a change that nobody wanted.
 */
export function parseNotifyEvent(
  event: unknown,
  rules: { readonly family: IpFamily; readonly allowCidrs: readonly Cidr[] },
): NotifyCommand {
  if (event === undefined || event === null) return { kind: 'drain' };
  if (typeof event !== 'object' || Array.isArray(event)) {
    throw new EventError(
      'The event of producer-notify must be a JSON object like {} or {"ip": "203.0.113.7"}.',
    );
  }
  if (!('ip' in event) && !('epoch' in event)) return { kind: 'drain' };

  const parsed = v.safeParse(EVENT, event);
  if (!parsed.success)
    throw new EventError(`The event of producer-notify is not usable: ${faults(parsed.issues)}.`);
  const { ip: raw, epoch, id } = parsed.output;
  if (raw === undefined || epoch !== undefined) return { kind: 'drain' };

  const own = parseOwnIp(raw, { family: rules.family, allow: rules.allowCidrs });
  if ('refused' in own) {
    throw new EventError(
      `The event's ip cannot be this host's address: ${refusal(own.refused, rules.family)}.`,
    );
  }
  return { kind: 'word', ip: own.ip, ...(id !== undefined && { id }) };
}

/** Names the fields only: a value that somebody put there by mistake may be a secret. */
function faults(issues: readonly v.BaseIssue<unknown>[]): string {
  const named = issues.map(
    (issue) => `"${v.getDotPath(issue) ?? 'event'}" is ${issue.expected ?? 'out of bounds'}`,
  );
  return [...new Set(named)].join(', ').replaceAll(' is never', ' is not known');
}

function refusal(refused: 'not-an-ip' | 'not-public' | 'wrong-family', family: IpFamily): string {
  switch (refused) {
    case 'not-an-ip':
      return 'it is no IP address';
    case 'wrong-family':
      return `it is not of IP_FAMILY ${family}`;
    case 'not-public':
      return 'it is not public; IP_ALLOW_CIDRS may name the network that it is in';
  }
}
