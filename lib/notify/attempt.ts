import type { Outcome } from '../http/outcome.ts';
import type { AddressPolicy } from '../peers/address.ts';
import type { Ip } from '../peers/ip-space.ts';
import { EPOCH_HEADER, type PostToPeer } from '../peers/post.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { Claimed, Result } from '../store/deliveries.ts';
import { HOUR_MS, retryDelayMs } from './backoff.ts';

export interface AttemptParts {
  readonly post: PostToPeer;
  readonly policy: AddressPolicy;
  readonly localUuid: Uuid;
  readonly timeoutMs: number;
  /** Breaks requests off. Use it only at the very end: a request that was broken off is ambiguous. */
  readonly signal: AbortSignal;
  /** Redis's time, ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What an attempt came to for its record. `local`: this machine could not make the request, so it was no attempt. */
export type AttemptResult = Result | { readonly kind: 'local' };

/**
 * Tells one producer the address `ip`: `POST /ip` with `{"uuid","ip"}`, and `X-IP-Epoch`, by which a producer may refuse
 * an older address after a newer one. An address that may not be called fails without a request. Never throws.
 */
export async function tellProducer(
  delivery: Claimed,
  { ip, mayStart }: { readonly ip: Ip; readonly mayStart: () => boolean },
  parts: AttemptParts,
): Promise<AttemptResult> {
  const parsed = parts.policy.parse(delivery.rawAddress);
  if ('refused' in parsed) return BAD_ADDRESS;
  const outcome = await parts.post({
    address: parsed.address,
    path: '/ip',
    body: JSON.stringify({ uuid: parts.localUuid, ip }),
    headers: { [EPOCH_HEADER]: String(delivery.epoch) },
    timeoutMs: parts.timeoutMs,
    signal: parts.signal,
    mayStart,
  });
  return resultOf(outcome, delivery, { nowMs: parts.nowMs(), random: parts.random() });
}

const BAD_ADDRESS: Result = {
  kind: 'failed',
  status: 'bad-address',
  ambiguous: false,
  retryInMs: HOUR_MS,
};

/**
 * Reads an outcome. An attempt is *ambiguous* if it may have arrived and brought no complete reply, or if a gateway says
 * that it heard nothing from the server behind it (502, 504: RFC 9110, 15.6.3 and 15.6.5). A redirect is a complete
 * answer: whoever sent it is done with the request. Pure.
 */
export function resultOf(
  outcome: Outcome,
  { attempts, firstAt }: Pick<Claimed, 'attempts' | 'firstAt'>,
  { nowMs, random }: { readonly nowMs: number; readonly random: number },
): AttemptResult {
  const failed = (status: string, ambiguous: boolean, retryAfterMs?: number): Result => ({
    kind: 'failed',
    status,
    ambiguous,
    retryInMs: retryDelayMs({ attempts: attempts + 1, firstAt, nowMs, retryAfterMs, random }),
  });
  if (outcome.kind === 'replied') {
    const { status, retryAfterMs } = outcome;
    if (status >= 200 && status <= 299) return { kind: 'acknowledged', status };
    return failed(String(status), status === 502 || status === 504, retryAfterMs);
  }
  const { error, mayHaveArrived } = outcome;
  if (!mayHaveArrived && error === 'aborted') return { kind: 'released' };
  if (!mayHaveArrived && error === 'local') return { kind: 'local' };
  if (!mayHaveArrived && error === 'forbidden') return BAD_ADDRESS;
  return failed(error, mayHaveArrived && error !== 'redirect');
}
