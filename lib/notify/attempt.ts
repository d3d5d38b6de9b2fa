import type { Outcome } from '../http/outcome.ts';
import type { AddressPolicy } from '../peers/address.ts';
import type { Ip } from '../peers/ip-space.ts';
import { EPOCH_HEADER, type PostToPeer } from '../peers/post.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { Claimed, Result } from './delivery.ts';

export interface AttemptParts {
  readonly post: PostToPeer;
  readonly policy: AddressPolicy;
  readonly localUuid: Uuid;
  readonly timeoutMs: number;
  /** Breaks requests off. Not for haste: what is broken off is ambiguous. */
  readonly signal: AbortSignal;
}

/**
 * Tells one producer the address `ip`: `POST /ip` with `{"uuid","ip"}`, and `X-IP-Epoch`, by which a producer may
 * refuse an older address after a newer one. An address that may not be called fails without a request.
 */
export async function attempt(delivery: Claimed, ip: Ip, parts: AttemptParts): Promise<Result> {
  const parsed = parts.policy.parse(delivery.rawAddress);
  if ('refused' in parsed) return { kind: 'failed', error: 'bad-address', ambiguous: false };
  return resultOf(
    await parts.post({
      address: parsed.address,
      path: '/ip',
      body: JSON.stringify({ uuid: parts.localUuid, ip }),
      headers: { [EPOCH_HEADER]: String(delivery.epoch) },
      timeoutMs: parts.timeoutMs,
      signal: parts.signal,
    }),
  );
}

/**
 * Reads an outcome. *Ambiguous* is what may have arrived and brought no complete reply, and a gateway's word that it
 * heard nothing from the one behind it (502, 504: RFC 9110, 15.6.3 and 15.6.5). A redirect is an answer, final and
 * whole as far as it matters: whoever sent it is done with the request.
 */
export function resultOf(outcome: Outcome): Result {
  if (outcome.kind === 'replied') {
    const { status, retryAfterMs } = outcome;
    if (status >= 200 && status <= 299) return { kind: 'acknowledged', status };
    return {
      kind: 'failed',
      error: 'status',
      status,
      ambiguous: status === 502 || status === 504,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  }
  const { error, status, mayHaveArrived } = outcome;
  if (!mayHaveArrived && error === 'aborted') return { kind: 'released' };
  if (!mayHaveArrived && error === 'forbidden') {
    return { kind: 'failed', error: 'bad-address', ambiguous: false };
  }
  return {
    kind: 'failed',
    error,
    ...(status !== undefined && { status }),
    ambiguous: mayHaveArrived && error !== 'redirect',
  };
}
