import type { Outcome } from '../http/outcome.ts';
import type { AddressPolicy } from '../peers/address.ts';
import { parseSyncReply, type SyncReply } from '../peers/reply.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { HealthError } from '../store/health-record.ts';

/** What one probe says about one consumer. */
export type ProbeResult =
  | { readonly kind: 'alive'; readonly rttMs: number; readonly named: boolean }
  /** Alive, and overloaded. `retryAfterMs` is what it asked for. */
  | { readonly kind: 'busy'; readonly rttMs: number; readonly named: boolean; readonly retryAfterMs?: number }
  | { readonly kind: 'failed'; readonly error: HealthError };

/**
 * What came back from an address, before it is held against a uuid. `untried` says nothing about anybody: the call did
 * not start, the run ended first, or (`local`) this machine could not make it.
 */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly busy: boolean;
      /** A reply that a proxy gives as well when the peer behind it is gone. Only the right uuid makes it the peer's. */
      readonly mustName: boolean;
      readonly rttMs: number;
      readonly retryAfterMs?: number;
      readonly reply: SyncReply;
    }
  | { readonly kind: 'failed'; readonly error: HealthError }
  | { readonly kind: 'untried'; readonly local: boolean };

const TOO_MANY_REQUESTS = 429;
const SERVICE_UNAVAILABLE = 503;

/** Reads one call to `/sync`: 2xx is alive, 429 and 503 are busy, everything else is a failure. */
export function readAnswer(outcome: Outcome, policy: AddressPolicy): Answer {
  if (outcome.kind === 'failed') {
    const { error } = outcome;
    if (error === 'aborted' || error === 'local') return { kind: 'untried', local: error === 'local' };
    return { kind: 'failed', error };
  }
  const { status, body, rttMs, retryAfterMs } = outcome;
  const busy = status === TOO_MANY_REQUESTS || status === SERVICE_UNAVAILABLE;
  if (!busy && (status < 200 || status > 299)) return { kind: 'failed', error: 'status' };
  return {
    kind: 'answered',
    busy,
    mustName: status === SERVICE_UNAVAILABLE && retryAfterMs === undefined,
    rttMs,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    reply: parseSyncReply(body, policy),
  };
}

/**
 * What an answer means for the consumer `uuid`: whoever names itself must be the one that we expected, and one that has
 * named itself before must do so again, unless it is too busy.
 */
export function resultFor(
  answer: Exclude<Answer, { kind: 'untried' }>,
  uuid: Uuid,
  namedBefore: boolean,
): ProbeResult {
  if (answer.kind === 'failed') return { kind: 'failed', error: answer.error };
  const { busy, mustName, rttMs, retryAfterMs, reply } = answer;
  const named = reply.names === uuid;
  if (!named && reply.names !== undefined) return { kind: 'failed', error: 'wrong-identity' };
  if (!named && mustName) return { kind: 'failed', error: 'status' };
  if (!busy) {
    return named || !namedBefore
      ? { kind: 'alive', rttMs, named }
      : { kind: 'failed', error: 'wrong-identity' };
  }
  return { kind: 'busy', rttMs, named, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
