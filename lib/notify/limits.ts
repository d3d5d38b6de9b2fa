import { type Host, type Invocation, startStopwatch } from '../host.ts';

/** How many calls may be in flight, where this machine itself may be short of something. */
export interface Throttle {
  readonly limit: number;
  /** How long no call may start, ms. */
  pauseMs(): number;
  /**
   * This machine failed to make a call: halves the limit and pauses for a second. Calls that fail during the pause were
   * made before it, and change nothing. Answers false if there was one call at a time already.
   */
  slowDown(): boolean;
}

const PAUSE_MS = 1_000;

/** Begins with `limit` calls at a time. It never goes up again: a run is short, and the next one begins anew. */
export function createThrottle(limit: number, host: Pick<Host, 'monotonicMs'>): Throttle {
  let allowed = limit;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  const pauseMs = () => Math.max(0, pausedUntil - host.monotonicMs());
  return {
    get limit() {
      return allowed;
    },
    pauseMs,
    slowDown() {
      if (pauseMs() > 0) return true;
      if (allowed === 1) return false;
      allowed = Math.floor(allowed / 2);
      pausedUntil = host.monotonicMs() + PAUSE_MS;
      return true;
    },
  };
}

/** How much time the invocation has left, ms: by its own word, and by both clocks since now. */
export function watchInvocation(
  invocation: Invocation,
  host: Pick<Host, 'monotonicMs' | 'wallMs'>,
): () => number {
  const givenMs = invocation.remainingMs();
  const elapsedMs = startStopwatch(host);
  return () => Math.min(invocation.remainingMs(), givenMs - elapsedMs());
}
