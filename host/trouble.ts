import { EventError, IdentityError, RedisReplyError, RedisUnavailableError } from '../lib/errors.ts';
import type { Log, LogFields } from '../lib/host.ts';
import { describeError } from '../lib/log.ts';
import type { BootClock } from './clock.ts';
import type { JobName } from './jobs.ts';

/** The same failure of a job is repeated in the log after this time, so that a log that was rotated still tells of it. */
const REPEAT_MS = 3_600_000;

/** Tells of failures once, not with every tick that meets them, and of their end. */
export interface Trouble {
  failed(job: JobName, error: unknown): void;
  succeeded(job: JobName): void;
  /** Whether any run has succeeded. */
  readonly hasWorked: boolean;
}

export interface TroubleOptions {
  readonly log: Log;
  readonly clock: Pick<BootClock, 'nowMs'>;
  /** Told when Redis goes and when it is back. */
  readonly onRedis?: (state: 'away' | 'back') => void;
}

interface Episode {
  readonly kind: string;
  readonly sinceMs: number;
  toldMs: number;
  failures: number;
}

/**
 * A Redis that is away is one trouble, whichever jobs meet it: one line when it goes, one when it is back. Any other
 * failure is the job's own: a line for the first of its kind, then one an hour, and one when the job works again.
 */
export function createTrouble({ log, clock, onRedis }: TroubleOptions): Trouble {
  let hasWorked = false;
  let away: Episode | undefined;
  const troubled = new Map<JobName, Episode>();

  const begin = (kind: string): Episode => {
    const nowMs = clock.nowMs();
    return { kind, sinceMs: nowMs, toldMs: nowMs, failures: 1 };
  };
  const lasted = ({ sinceMs, failures }: Episode) => ({
    forSeconds: Math.round((clock.nowMs() - sinceMs) / 1_000),
    failedRuns: failures,
  });
  const redisIsBack = () => {
    if (away === undefined) return;
    log.info('Redis is back', lasted(away));
    away = undefined;
    onRedis?.('back');
  };

  return {
    get hasWorked() {
      return hasWorked;
    },
    failed(job, error) {
      if (error instanceof RedisUnavailableError) {
        if (away === undefined) {
          away = begin('redis');
          log.error('Redis is away; each run tries again', { job, reason: error.message });
          onRedis?.('away');
          return;
        }
        away.failures += 1;
        log.debug('Redis is still away', { job, reason: error.message });
        return;
      }
      redisIsBack();
      const { name, message } = describeError(error, (text) => text);
      const kind = `${name}: ${message}`;
      const episode = troubled.get(job);
      if (episode === undefined || episode.kind !== kind) {
        troubled.set(job, begin(kind));
        log.error('A run failed', { job, ...reasonOf(error) });
        return;
      }
      episode.failures += 1;
      const again = clock.nowMs() - episode.toldMs >= REPEAT_MS;
      if (again) episode.toldMs = clock.nowMs();
      log[again ? 'error' : 'debug']('Runs go on failing', { job, ...lasted(episode), ...reasonOf(error) });
    },
    succeeded(job) {
      hasWorked = true;
      redisIsBack();
      const episode = troubled.get(job);
      if (episode === undefined) return;
      troubled.delete(job);
      log.info('Runs succeed again', { job, ...lasted(episode) });
    },
  };
}

/** An operator needs the frames of an error only where it is none of those that say what to do. */
function reasonOf(error: unknown): LogFields {
  const known =
    error instanceof IdentityError || error instanceof RedisReplyError || error instanceof EventError;
  return known ? { reason: error.message } : { error };
}
