const FIRST_MS = 30_000;
const CAP_MS = 15 * 60_000;
/** How long a delivery is retried by doubling intervals, before it is tried hourly. */
const PATIENCE_MS = 24 * 3_600_000;

/** An hour: the interval of the hopeless, and the most that a Retry-After may ask. */
export const HOUR_MS = 3_600_000;

export interface Failure {
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
export function retryDelayMs({ attempts, firstAt, nowMs, retryAfterMs, random }: Failure): number {
  if (retryAfterMs !== undefined && !Number.isNaN(retryAfterMs)) {
    return Math.round(Math.min(Math.max(retryAfterMs, FIRST_MS), HOUR_MS));
  }
  if (nowMs - firstAt >= PATIENCE_MS) return HOUR_MS;
  const doubled = FIRST_MS * 2 ** Math.min(Math.max(attempts, 1) - 1, 10);
  return Math.round(Math.min(doubled * (1 + random / 2), CAP_MS));
}
