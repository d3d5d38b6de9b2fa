import type { Host } from '../invocation.ts';
import type { Redis, Reply } from './redis.ts';

/** Redis's time, which is the only time that is ever stored or compared across invocations. */
export interface RedisClock {
  /**
   * Call it right before sending a request whose first command is TIME, and the function it answers with the reply.
   * The reading is dated from the moment of sending, so that a slow reply makes us early, never late.
   */
  startReading(): (timeReply: Reply | Error | undefined) => void;
  /** Milliseconds since the epoch by Redis's clock, carried on by the monotonic clock. Throws before the first reading. */
  nowMs(): number;
  /** Whether the last reading took over 2 s, or monotonic and wall clock have drifted apart by over 1 s since (a frozen container). */
  isStale(): boolean;
  /** Reads TIME again if the clock is stale. */
  refresh(redis: Redis, signal?: AbortSignal): Promise<void>;
  /** Counts readings. A lease taken under an earlier count than the present one starts no request any more. */
  readonly readings: number;
}

export type CreateRedisClock = (host: Pick<Host, 'monotonicMs' | 'wallMs'>) => RedisClock;
