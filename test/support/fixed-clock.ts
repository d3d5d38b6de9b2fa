import type { RedisClock } from '../../lib/redis/clock.ts';

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
