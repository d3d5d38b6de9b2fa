import { CLOCK_SLACK_MS } from '../../lib/store/health-record.ts';

/** What is older than so many periods of its schedule says nothing about now. */
const STALE_PERIODS = 3;
/** And one period more than it may take until the next run has written. */
const GRACE_MS = 30_000;

/**
 * Whether what was found out at `at` is too old to be called known, or lies in the future, which nothing of ours does
 * (Redis's clock was set back, or somebody else wrote it). Undefined is stale. All times by Redis's clock.
 */
export function isStale(at: number | undefined, periodMs: number, nowMs: number): boolean {
  if (at === undefined) return true;
  return nowMs - at > STALE_PERIODS * periodMs + GRACE_MS || at - nowMs > CLOCK_SLACK_MS;
}
