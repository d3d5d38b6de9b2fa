import type { Host, Invocation } from '../../lib/host.ts';
import type { RedisClock } from '../../lib/redis/clock.ts';
import type { Redis } from '../../lib/redis/redis.ts';
import { withReplies } from './tampered-redis.ts';

/** A second, ms. */
export const SECOND = 1_000;
/** A minute, ms. */
export const MINUTE = 60 * SECOND;
/** An hour, ms. */
export const HOUR = 60 * MINUTE;
/** A day, ms. */
export const DAY = 24 * HOUR;

/** A machine whose time passes only while somebody sleeps, or as a test says. */
export interface Machine extends Host {
  /** Both clocks go on. */
  work(ms: number): void;
  /** A closed lid, or a frozen container: only the wall clock goes on. */
  suspend(ms: number): void;
  /** The wall clock is set, by so much. */
  setWall(byMs: number): void;
  /** Since it was made, as somebody with a watch sees it, ms. */
  readonly watchMs: number;
}

/** Makes a machine. `onSleep` is called before each sleep, with its length. */
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

/** The time that Redis tells in a chaos run: the machine's, and ahead of it by whatever the run has skipped. */
export interface VirtualClock {
  nowMs(): number;
  /** How far it is ahead, ms. */
  readonly aheadMs: number;
  /** Skips that much. Never backwards. */
  skip(ms: number): void;
}

/** Makes a clock that has skipped nothing. */
export function createVirtualClock(): VirtualClock {
  let aheadMs = 0;
  return {
    nowMs: () => Date.now() + aheadMs,
    get aheadMs() {
      return aheadMs;
    },
    skip(ms) {
      aheadMs += Math.max(0, Math.ceil(ms));
    },
  };
}

/** A Redis clock that has been read and tells what `nowMs` answers: for tests whose time is virtual. */
export function clockAt(nowMs: () => number): RedisClock {
  return {
    startReading: () => () => undefined,
    nowMs,
    isStale: () => false,
    refresh: async () => undefined,
    readings: 1,
  };
}

/** A Redis whose TIME is what `tell` makes of the true one, whole ms. Scripts never ask for the time. */
export function withTime(redis: Redis, tell: (trueMs: number) => number): Redis {
  return withReplies(redis, ([name], reply) => {
    if (name !== 'TIME' || !Array.isArray(reply)) return reply;
    const [seconds, micros] = reply.map(Number);
    const ms = tell(Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000));
    return [String(Math.floor(ms / 1_000)), String((ms % 1_000) * 1_000)];
  });
}

let invocations = 0;

/** An invocation with an id of its own that nobody aborts and that has four minutes, but for what `change` says. */
export function invocation(change: Partial<Invocation> = {}): Invocation {
  return {
    requestId: `request-${++invocations}`,
    signal: new AbortController().signal,
    remainingMs: () => 240_000,
    ...change,
  };
}
