import { FAILURES, type Failure, type Outcome } from '../http/outcome.ts';
import type { AddressPolicy } from '../peers/address.ts';
import { parseSyncReply, type SyncReply } from '../peers/reply.ts';
import type { Uuid } from '../peers/uuid.ts';

/** Why a probe failed. Kept in health and shown to operators; never a peer's own text. */
export type HealthError = Exclude<Failure, 'aborted'> | 'status' | 'wrong-identity';

export const HEALTH_ERRORS: readonly HealthError[] = [
  ...FAILURES.filter((error) => error !== 'aborted'),
  'status',
  'wrong-identity',
];

/** What one probe says about one consumer. */
export type ProbeResult =
  | { readonly kind: 'alive'; readonly rttMs: number }
  /** Alive, and overloaded. `retryAfterMs` is what it asked for. */
  | { readonly kind: 'busy'; readonly rttMs: number; readonly retryAfterMs?: number }
  | { readonly kind: 'failed'; readonly error: HealthError };

/** What came back from an address, before it is held against a uuid. `unprobed`: the run ended first, so it says nothing. */
export type Answer =
  | { readonly kind: 'answered'; readonly result: ProbeResult; readonly reply: SyncReply }
  | { readonly kind: 'failed'; readonly error: HealthError }
  | { readonly kind: 'unprobed' };

const NOTHING_SAID: SyncReply = { heard: [], skipped: 0 };
const BUSY_STATUSES: readonly number[] = [429, 503];

/** Reads one call to `/sync`: 2xx is alive, 429 and 503 are alive and busy, everything else is a failure. */
export function readAnswer(outcome: Outcome, policy: AddressPolicy): Answer {
  if (outcome.kind === 'failed') {
    return outcome.error === 'aborted' ? { kind: 'unprobed' } : { kind: 'failed', error: outcome.error };
  }
  const { status, body, rttMs, retryAfterMs } = outcome;
  const busy = BUSY_STATUSES.includes(status);
  if (!busy && (status < 200 || status > 299)) return { kind: 'failed', error: 'status' };
  return {
    kind: 'answered',
    result: busy
      ? { kind: 'busy', rttMs, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
      : { kind: 'alive', rttMs },
    // Most peers send none, and an attempt to parse nothing costs more than the rest of this.
    reply: body.length === 0 ? NOTHING_SAID : parseSyncReply(body, policy),
  };
}

/** What an answer means for the consumer `uuid`: whoever names itself must be the one that we expected. */
export function resultFor(answer: Exclude<Answer, { kind: 'unprobed' }>, uuid: Uuid): ProbeResult {
  if (answer.kind === 'failed') return { kind: 'failed', error: answer.error };
  const { names } = answer.reply;
  return names === undefined || names === uuid ? answer.result : { kind: 'failed', error: 'wrong-identity' };
}
