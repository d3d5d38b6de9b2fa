import type { BootClock } from './clock.ts';

/**
 * Runs at once, and then at each full period from now on, until the signal aborts; resolves when the last run has ended.
 * The period is kept however long runs take (no drift). One run at a time: of the ticks that came while it lasted, or
 * while the machine slept, there is one run, right away, and not one each.
 *
 * `run` must not reject.
 */
export async function runOnSchedule(
  { periodMs, clock, signal }: { periodMs: number; clock: BootClock; signal: AbortSignal },
  run: () => Promise<void>,
): Promise<void> {
  let dueMs = clock.nowMs();
  while (!signal.aborted) {
    const startedMs = clock.nowMs();
    dueMs = nextTick(dueMs, periodMs, startedMs);
    await run();
    await clock.until(dueMs, signal);
  }
}

/** The first tick after `nowMs` of those that lie `periodMs` apart, `tickMs` being one of them. */
export function nextTick(tickMs: number, periodMs: number, nowMs: number): number {
  return tickMs + (Math.floor((nowMs - tickMs) / periodMs) + 1) * periodMs;
}
