import type { Host } from '../lib/host.ts';
import { onAbort } from '../lib/http/on-abort.ts';

/** Wall and monotonic clock part by this much only where the machine slept or its clock was set. NTP slews 0.5 ms a second. */
const JUMP_MS = 2_000;
/** A sleep is cut into pieces of this length: a machine that slept is noticed so much later at most. */
const LOOK_EVERY_MS = 5_000;

/** Time that goes on while the machine is suspended, as a schedule has to see it. Made of two clocks that do not. */
export interface BootClock {
  /** Milliseconds since the clock was made. Never goes back. */
  nowMs(): number;
  /** Resolves when `nowMs` has come to `atMs`, or the signal aborts. Never rejects. */
  until(atMs: number, signal: AbortSignal): Promise<void>;
}

/**
 * Follows the monotonic clock, and the wall clock where that has leapt ahead of it: Linux's monotonic clock stands still
 * while a laptop sleeps (clock_gettime(2), CLOCK_MONOTONIC). A wall clock that is set forward looks the same, which costs
 * a run that comes early; one that is set back changes nothing.
 */
export function createBootClock(host: Pick<Host, 'monotonicMs' | 'wallMs' | 'sleep'>): BootClock {
  let monotonicMs = host.monotonicMs();
  let wallMs = host.wallMs();
  let passedMs = 0;

  const nowMs = () => {
    const monotonicNow = host.monotonicMs();
    const wallNow = host.wallMs();
    const moved = monotonicNow - monotonicMs;
    const leapt = wallNow - wallMs;
    passedMs += leapt - moved > JUMP_MS ? leapt : moved;
    monotonicMs = monotonicNow;
    wallMs = wallNow;
    return passedMs;
  };

  return {
    nowMs,
    async until(atMs, signal) {
      for (;;) {
        const leftMs = atMs - nowMs();
        if (leftMs <= 0 || signal.aborted) return;
        await host.sleep(Math.min(leftMs, LOOK_EVERY_MS), signal);
      }
    },
  };
}

/** A wait that somebody else can end early. One waits at a time. */
export interface Alarm {
  /** Ends the wait, or the next one if nobody waits now. */
  ring(): void;
  /** Resolves when the clock has come to `atMs`, the alarm rings, or the signal aborts. Never rejects. */
  until(atMs: number, signal: AbortSignal): Promise<void>;
}

/** Makes an alarm over the clock. */
export function createAlarm(clock: Pick<BootClock, 'until'>): Alarm {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async until(atMs, signal) {
      if (!rung && !signal.aborted) {
        const early = new AbortController();
        wake = () => early.abort();
        const leave = onAbort(signal, wake);
        await clock.until(atMs, early.signal);
        leave();
        wake = undefined;
      }
      rung = false;
    },
  };
}
