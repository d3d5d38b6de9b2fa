import { EventError, IdentityError, RedisReplyError, RedisUnavailableError } from '../lib/errors.ts';
import type { Log, LogFields } from '../lib/host.ts';
import { describeError } from '../lib/log.ts';
import type { BootClock } from './clock.ts';
import type { FailedRun, JobName } from './run.ts';

const HOUR_MS = 3_600_000;
/**
 * Lines an hour about Redis, and about each job. More come only where something fails and works by turns, or a reason
 * holds a number that is another each time: these are logged as DEBUG.
 */
const MOST_LINES_AN_HOUR = 12;

/** Logs failures once, not with every run that meets them, and their end. */
export interface Trouble {
  /** Gets the result of each run. */
  onResult(result: FailedRun | { readonly kind: 'done'; readonly job: JobName }): void;
  /** Whether any run has succeeded. */
  readonly hasWorked: boolean;
}

export interface TroubleOptions {
  readonly log: Log;
  readonly clock: Pick<BootClock, 'nowMs'>;
  /** Called when Redis goes away and when it is back. */
  readonly onRedis?: (state: 'away' | 'back') => void;
}

/** From the first failure to the next success. */
interface Episode {
  readonly sinceMs: number;
  /** When each reason was last logged. A log that was rotated is to have it too: it is logged again after an hour. */
  readonly loggedAtMs: Map<string, number>;
  failures: number;
}

/**
 * A Redis that is away is one trouble, whichever jobs meet it: one line when it goes, one when it is back. Any other
 * failure is the job's own: one line when it begins, one when the job works again. Between them a line comes only for
 * another reason, and for the same one hourly.
 */
export function createTrouble({ log, clock, onRedis }: TroubleOptions): Trouble {
  let hasWorked = false;
  const episodes = new Map<JobName | 'redis', Episode>();
  const lines = new Map<JobName | 'redis', number[]>();

  const say = (about: JobName | 'redis', level: 'info' | 'error', message: string, fields: LogFields) => {
    const nowMs = clock.nowMs();
    const recent = (lines.get(about) ?? []).filter((atMs) => nowMs - atMs < HOUR_MS);
    lines.set(about, recent);
    if (recent.length >= MOST_LINES_AN_HOUR) return log.debug(message, fields);
    recent.push(nowMs);
    const last = recent.length === MOST_LINES_AN_HOUR;
    log[level](message, last ? { ...fields, note: 'more of this is left out for an hour' } : fields);
  };
  const lasted = ({ sinceMs, failures }: Episode) => ({
    forSeconds: Math.round((clock.nowMs() - sinceMs) / 1_000),
    failedRuns: failures,
  });
  /** One failure: a line if it is the first of its episode, or its reason was not logged within the hour. */
  const failed = (
    about: JobName | 'redis',
    { job, reason, fields }: { job: JobName; reason: string; fields: LogFields },
    messages: { first: string; later: string },
  ): boolean => {
    const nowMs = clock.nowMs();
    const known = episodes.get(about);
    const episode = known ?? { sinceMs: nowMs, loggedAtMs: new Map(), failures: 0 };
    episodes.set(about, episode);
    episode.failures += 1;
    const loggedAtMs = episode.loggedAtMs.get(reason);
    const message = known === undefined ? messages.first : messages.later;
    const all = { job, ...(known !== undefined && lasted(episode)), ...fields };
    if (loggedAtMs !== undefined && nowMs - loggedAtMs < HOUR_MS) {
      log.debug(message, all);
    } else {
      // Reasons that differ each time must not fill the memory.
      if (episode.loggedAtMs.size < MOST_LINES_AN_HOUR) episode.loggedAtMs.set(reason, nowMs);
      say(about, 'error', message, all);
    }
    return known === undefined;
  };
  const over = (about: JobName | 'redis', message: string, fields: LogFields = {}): boolean => {
    const episode = episodes.get(about);
    if (episode === undefined) return false;
    episodes.delete(about);
    say(about, 'info', message, { ...fields, ...lasted(episode) });
    return true;
  };

  const redisFailed = (job: JobName, { message: reason }: Error) => {
    const messages = { first: 'Redis is away; each run tries again', later: 'Redis is still away' };
    if (failed('redis', { job, reason, fields: { reason } }, messages)) onRedis?.('away');
  };
  const redisAnswered = () => {
    if (over('redis', 'Redis is back')) onRedis?.('back');
  };
  const jobFailed = (job: JobName, error: unknown) => {
    const { name, message } = describeError(error, (text) => text);
    const fields = reasonOf(error);
    const messages = { first: 'A run failed', later: 'Runs go on failing' };
    failed(job, { job, reason: `${name}: ${message}`, fields }, messages);
  };

  return {
    get hasWorked() {
      return hasWorked;
    },
    onResult(result) {
      const { job } = result;
      if (result.kind === 'failed') {
        const { error } = result;
        if (error instanceof RedisUnavailableError) return redisFailed(job, error);
        if (isOfRedis(error)) redisAnswered();
        return jobFailed(job, error);
      }
      hasWorked = true;
      redisAnswered();
      over(job, 'Runs succeed again', { job });
    },
  };
}

/** Whether the error shows that Redis is there: a mistake in our own code does not. */
function isOfRedis(error: unknown): boolean {
  return error instanceof RedisReplyError || error instanceof IdentityError;
}

/** What a log line has of an error: frames only where it is none of those that say themselves what to do. */
export function reasonOf(error: unknown): LogFields {
  // Redis's own words say what it refused.
  if (error instanceof RedisReplyError) {
    return { reason: `${error.message.replace(/\.$/, '')}. \`p2p doctor\` says more.` };
  }
  const known =
    error instanceof RedisUnavailableError || error instanceof IdentityError || error instanceof EventError;
  return known ? { reason: error.message } : { error };
}
