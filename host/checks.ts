import { type BootClock, createAlarm } from './clock.ts';
import { nextTick } from './schedule.ts';

/**
 * From the start of one check to the start of the next, whatever asks for it. So a flood of hints costs 12 checks a
 * minute, and a hint that comes in the midst of a flood waits 5 s at most.
 */
const APART_MS = 5_000;
/** After a check that found nothing out, the next one comes after this time, */
const REPEAT_MS = 5_000;
/** so often in a row. Then the schedule alone goes on. */
const MOST_REPEATS = 10;

export interface ChecksOptions {
  readonly periodMs: number;
  /** Whether a check that found nothing out is repeated soon. */
  readonly repeat: boolean;
  readonly clock: BootClock;
}

/** The IP checks of a host: on a schedule, and when there is a hint that the address has changed. */
export interface Checks {
  /**
   * Asks for a check at once. A check that is running may have looked before the change, so there is one more after it.
   * However many hints come before it starts, there is one check.
   */
  hint(): void;
  /**
   * Runs checks until the signal aborts, one at a time: the first at once, then at each full period (no drift).
   * `check` answers whether it found out what the address is; it must not reject.
   */
  run(check: () => Promise<boolean>, signal: AbortSignal): Promise<void>;
}

/** Makes the pace of the checks. Hints only add checks: the schedule's own go on as without them. */
export function createChecks({ periodMs, repeat, clock }: ChecksOptions): Checks {
  const alarm = createAlarm(clock);
  let hinted = false;
  let repeats = 0;
  return {
    hint() {
      hinted = true;
      repeats = 0;
      alarm.ring();
    },
    async run(check, signal) {
      let dueMs = clock.nowMs();
      while (!signal.aborted) {
        const startedMs = clock.nowMs();
        dueMs = nextTick(dueMs, periodMs, startedMs);
        hinted = false;
        const foundOut = await check();
        repeats = foundOut ? 0 : repeats + 1;
        const repeatMs =
          !foundOut && repeat && repeats <= MOST_REPEATS
            ? clock.nowMs() + REPEAT_MS
            : Number.POSITIVE_INFINITY;
        const earliestMs = startedMs + Math.min(APART_MS, periodMs);
        for (;;) {
          const hintMs = hinted ? startedMs + APART_MS : Number.POSITIVE_INFINITY;
          const nextMs = Math.max(earliestMs, Math.min(dueMs, repeatMs, hintMs));
          if (signal.aborted || clock.nowMs() >= nextMs) break;
          await alarm.until(nextMs, signal);
        }
      }
    },
  };
}
