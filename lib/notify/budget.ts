import type { Host, Invocation } from '../host.ts';
import type { RedisClock } from '../redis/clock.ts';
import { leaseMs, START_MARGIN_MS } from './delivery.ts';

/** What a claim needs beside the time in which its requests may start: a round trip. */
const CLAIM_MS = 2_000;

type Clocks = Pick<Host, 'monotonicMs' | 'wallMs'>;

/** Answers the time passed since, by the clock that says more: in a frozen container one of the two stands still. */
function startStopwatch(host: Clocks): () => number {
  const monotonicMs = host.monotonicMs();
  const wallMs = host.wallMs();
  return () => Math.max(host.monotonicMs() - monotonicMs, host.wallMs() - wallMs);
}

/** How long the invocation may still run. */
export interface Budget {
  leftMs(): number;
  /** Whether a claim sent now would still leave its requests time to start. */
  allowsClaim(): boolean;
}

/** The invocation's time: by its own word, and by both clocks since now. */
export function createBudget(invocation: Invocation, host: Clocks, notifyTimeoutMs: number): Budget {
  const givenMs = invocation.remainingMs();
  const elapsedMs = startStopwatch(host);
  const leftMs = () => Math.min(invocation.remainingMs(), givenMs - elapsedMs());
  return {
    leftMs,
    allowsClaim: () => leftMs() >= notifyTimeoutMs + START_MARGIN_MS + CLAIM_MS,
  };
}

/**
 * Called right before a claim is sent. Answers, at any time after that, whether a request under that claim's lease may
 * start: lease and invocation both leave it `notifyTimeoutMs` and 5 s, by the monotonic and by the wall clock, and the
 * reading of Redis's time that the lease counts by is still good (it is not after a freeze, and not once it was repeated).
 */
export function watchLease(
  { budget, clock, host }: { budget: Budget; clock: RedisClock; host: Clocks },
  notifyTimeoutMs: number,
): () => boolean {
  const elapsedMs = startStopwatch(host);
  const { readings } = clock;
  const needed = notifyTimeoutMs + START_MARGIN_MS;
  return () =>
    clock.readings === readings &&
    !clock.isStale() &&
    leaseMs(notifyTimeoutMs) - elapsedMs() >= needed &&
    budget.leftMs() >= needed;
}
