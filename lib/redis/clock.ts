import { RedisReplyError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Redis, Reply } from './redis.ts';

/** Redis's time, which is the only time that is ever stored or compared across invocations. */
export interface RedisClock {
  /**
   * Call it right before sending a request whose first command is TIME, and the function it answers with the reply.
   * The reading is dated from the moment of sending, so that a slow reply makes us early, never late.
   *
   * @throws the error in place of the reply, or RedisReplyError if it is no reply to TIME (by the answered function).
   */
  startReading(): (timeReply: Reply | Error | undefined) => void;
  /** Whole milliseconds since the epoch by Redis's clock, carried on by the monotonic clock. Throws before the first reading. */
  nowMs(): number;
  /** Whether the last reading took over 2 s, or monotonic and wall clock have drifted apart by over 1 s since (a frozen container). */
  isStale(): boolean;
  /**
   * Reads TIME again if the clock is stale. Where Redis is that slow again, the clock stays stale: then no lease that
   * is taken now starts a request.
   */
  refresh(redis: Redis, signal?: AbortSignal): Promise<void>;
  /** Counts readings. A lease taken under an earlier count than the present one starts no request any more. */
  readonly readings: number;
}

const MAX_READING_MS = 2_000;
const MAX_DRIFT_MS = 1_000;

/**
 * How far one run's clock may be ahead of another's, ms: by what its reading took on the way to Redis, and by what its
 * own clocks have drifted since. What is to be done at once is due since so long ago, or the next run would not see it yet.
 */
export const MAX_AHEAD_MS = MAX_READING_MS + MAX_DRIFT_MS;

/** A reading: Redis's time, and our two clocks when it was asked for. */
interface Reading {
  readonly redisMs: number;
  readonly tookMs: number;
  readonly sentMonotonicMs: number;
  readonly sentWallMs: number;
}

/** Makes a clock without a reading. One a run: what an earlier run read is of no use after a freeze. */
export function createRedisClock(host: Pick<Host, 'monotonicMs' | 'wallMs'>): RedisClock {
  let reading: Reading | undefined;
  let readings = 0;

  const startReading = () => {
    const sentMonotonicMs = host.monotonicMs();
    const sentWallMs = host.wallMs();
    return (timeReply: Reply | Error | undefined) => {
      const redisMs = parseTime(timeReply);
      reading = { redisMs, tookMs: host.monotonicMs() - sentMonotonicMs, sentMonotonicMs, sentWallMs };
      readings += 1;
    };
  };

  const isStale = () => {
    if (reading === undefined || reading.tookMs > MAX_READING_MS) return true;
    const monotonicMs = host.monotonicMs() - reading.sentMonotonicMs;
    const wallMs = host.wallMs() - reading.sentWallMs;
    return Math.abs(wallMs - monotonicMs) > MAX_DRIFT_MS;
  };

  return {
    startReading,
    nowMs() {
      if (reading === undefined) throw new Error('The Redis clock was used before TIME was read.');
      return Math.floor(reading.redisMs + host.monotonicMs() - reading.sentMonotonicMs);
    },
    isStale,
    async refresh(redis, signal) {
      if (!isStale()) return;
      const finishReading = startReading();
      const [reply] = await redis.send([['TIME']], { repeatable: true, signal });
      finishReading(reply);
    },
    get readings() {
      return readings;
    },
  };
}

/** TIME answers seconds and microseconds, as two strings. */
function parseTime(reply: Reply | Error | undefined): number {
  if (reply instanceof Error) throw reply;
  const [seconds, micros, ...rest] = Array.isArray(reply) ? reply : [];
  const digits = (part: unknown) =>
    typeof part === 'string' && /^\d{1,15}$/.test(part) ? Number(part) : Number.NaN;
  const ms = digits(seconds) * 1_000 + digits(micros) / 1_000;
  if (Number.isNaN(ms) || rest.length > 0)
    throw new RedisReplyError('ERR what was answered is no reply to TIME');
  return ms;
}
