import type { Config } from '../config.ts';
import type { Host } from '../host.ts';
import type { Outcome } from '../http/outcome.ts';
import { type AddressPolicy, withoutSelf } from '../peers/address.ts';
import { EPOCH_HEADER, type PostToPeer } from '../peers/post.ts';
import type { Claimed, Result } from '../store/deliveries.ts';

const FIRST_MS = 30_000;
const CAP_MS = 15 * 60_000;
/** How long a delivery is retried by doubling intervals, before it is tried hourly. */
const PATIENCE_MS = 24 * 3_600_000;

/** An hour: the interval of the hopeless, and the most that a Retry-After may ask. */
const HOUR_MS = 3_600_000;

export interface AttemptParts {
  readonly post: PostToPeer;
  readonly policy: AddressPolicy;
  readonly config: {
    readonly localUuid: Config['localUuid'];
    readonly notify: Pick<Config['notify'], 'timeoutMs'>;
    readonly peers: Pick<Config['peers'], 'port'>;
  };
  readonly host: Pick<Host, 'random'>;
  /** Redis's time, ms. */
  readonly nowMs: () => number;
  /** Breaks requests off. Use it only at the very end: a request that was broken off is ambiguous. */
  readonly signal: AbortSignal;
}

/** What an attempt came to for its record. `local`: this machine could not make the request, so it was no attempt. */
export type AttemptResult = Result | { readonly kind: 'local' };

/**
 * Tells one producer our address: `POST /ip` with `{"uuid","ip"}`, and `X-IP-Epoch`, by which a producer may refuse an
 * older address after a newer one. An address that may not be called, ours included, fails without a request. Never
 * throws.
 */
export async function tellProducer(
  delivery: Claimed,
  mayStart: () => boolean,
  { post, policy, config, host, nowMs, signal }: AttemptParts,
): Promise<AttemptResult> {
  const { ip, rawAddress, epoch } = delivery;
  const parsed = withoutSelf(policy, { ip, port: config.peers.port }).parse(rawAddress);
  if ('refused' in parsed) return BAD_ADDRESS;
  const outcome = await post({
    address: parsed.address,
    path: '/ip',
    body: JSON.stringify({ uuid: config.localUuid, ip }),
    headers: { [EPOCH_HEADER]: String(epoch) },
    timeoutMs: config.notify.timeoutMs,
    signal,
    mayStart,
  });
  return resultOf(outcome, delivery, { nowMs: nowMs(), random: host.random() });
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

/** A failed attempt, as far as the time of the next one depends on it. */
export interface FailedAttempt {
  /** Failed attempts of this epoch, this one included: 1 or more. */
  readonly attempts: number;
  /** When the first of them was claimed, ms. */
  readonly firstAt: number;
  readonly nowMs: number;
  /** What the producer asked for, if it did. */
  readonly retryAfterMs?: number | undefined;
  /** Uniform in [0, 1). */
  readonly random: number;
}

/**
 * Milliseconds until a failed delivery is tried again, 30 s to an hour. 30 s, doubling, plus up to half of it at random
 * so that producers that failed together do not return together; 15 minutes at most; hourly once a day has passed since
 * the first attempt. A Retry-After takes its place (RFC 9110, 10.2.3), within the same 30 s to an hour: one that says 0
 * cannot make us hammer, one that says a year cannot make us forget. Never gives up.
 */
export function retryDelayMs({ attempts, firstAt, nowMs, retryAfterMs, random }: FailedAttempt): number {
  if (retryAfterMs !== undefined && !Number.isNaN(retryAfterMs)) {
    return Math.round(Math.min(Math.max(retryAfterMs, FIRST_MS), HOUR_MS));
  }
  if (nowMs - firstAt >= PATIENCE_MS) return HOUR_MS;
  const doubled = FIRST_MS * 2 ** Math.min(Math.max(attempts, 1) - 1, 10);
  return Math.round(Math.min(doubled * (1 + random / 2), CAP_MS));
}
