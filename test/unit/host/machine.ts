import type { Host } from '../../../lib/host.ts';

/** A machine whose time passes only while somebody sleeps, or as a test says. */
export interface Machine extends Host {
  /** Both clocks go on. */
  work(ms: number): void;
  /** A closed lid: only the wall clock goes on. */
  suspend(ms: number): void;
  /** The wall clock is set, by so much. */
  setWall(byMs: number): void;
  /** Since it was made, as somebody with a watch sees it. */
  readonly watchMs: number;
}

/** `onSleep` is called before each sleep, with its length. */
export function createMachine(onSleep: (machine: Machine, ms: number) => void = () => {}): Machine {
  let monotonicMs = 5_000;
  let wallMs = Date.UTC(2026, 10, 24);
  let watchMs = 0;
  const machine: Machine = {
    monotonicMs: () => monotonicMs,
    wallMs: () => wallMs,
    random: () => 0.5,
    async sleep(ms, signal) {
      onSleep(machine, ms);
      if (!signal?.aborted) machine.work(ms);
    },
    work(ms) {
      monotonicMs += ms;
      wallMs += ms;
      watchMs += ms;
    },
    suspend(ms) {
      wallMs += ms;
      watchMs += ms;
    },
    setWall(byMs) {
      wallMs += byMs;
    },
    get watchMs() {
      return watchMs;
    },
  };
  return machine;
}
