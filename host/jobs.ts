import { type AppOptions, createParts, runSyncJob } from '../lib/app.ts';
import type { Invoke, Log, LogFields } from '../lib/host.ts';
import { runIpCheck } from '../lib/ip/check.ts';
import { runProducerNotify } from '../lib/notify/notify.ts';
import type { RoundSummary } from '../lib/sync/summary.ts';
import type { BootClock } from './clock.ts';
import { createLane } from './lane.ts';
import { type JobName, type Run, type RunResult, startRun } from './run.ts';
import { reasonOf } from './trouble.ts';

/** How long a run may take: the functions' time limits in serverless.yml, on which the jobs' own rules rest. */
export const TIME_LIMITS_MS: Readonly<Record<JobName, number>> = {
  sync: 240_000,
  'ip-check': 50_000,
  'producer-notify': 300_000,
};

/** A run that has not ended this long after its time is left behind: Lambda would have ended its process. */
const LEFT_BEHIND_MS = 10_000;
/** Invocations of one job in the background: with the default configuration all shards of a round run at once. */
const AT_ONCE = 4;
/** A round has 100 shards at most. */
const MOST_WAITING = 100;

export interface JobsOptions extends Omit<AppOptions, 'invoke'> {
  readonly clock: BootClock;
  /** Called when a run has ended by itself. A run that is cut short because the host ends is not reported. Must not throw. */
  readonly onResult: (result: RunResult) => void;
}

/** The jobs of this process. */
export interface Jobs {
  /**
   * Runs a job under its time limit. Resolves with what it came to, or with undefined if it was cut short or left behind.
   * Never rejects.
   */
  run(job: JobName, event: unknown): Promise<RunResult | undefined>;
  /**
   * Starts a sibling in this process, as Lambda's asynchronous invocation does: it gets a copy of the payload and a request
   * id of its own. A failed run is not repeated; the next IP check or round takes up what it left.
   */
  readonly invoke: Invoke;
  /** Runs that were left behind and have not ended yet. */
  readonly leftBehind: number;
  /**
   * Starts nothing any more, has what runs finish or hand back its work `withinMs`, and resolves when all has ended and
   * the connections to Redis are closed.
   */
  end(withinMs: number): Promise<void>;
}

/** @throws ConfigError if the URL or the token of Redis cannot be used. */
export function createJobs({ clock, onResult, ...given }: JobsOptions): Jobs {
  const invoke: Invoke = async (functionName, payload) => {
    const target = lanes.get(functionName);
    if (target === undefined) throw new Error(`This host runs no function ${functionName}`);
    const event: unknown = JSON.parse(JSON.stringify(payload));
    if (!target.lane.add(() => run(target.job, event))) {
      throw new Error(ended ? 'The host is ending' : `Too many invocations of ${target.job} are waiting`);
    }
  };
  const parts = createParts({ spread: true, ...given, invoke });
  const { config, host, log } = parts;
  const running = new Map<Run, Promise<unknown>>();
  let leftBehind = 0;
  let ended = false;

  const lanes = new Map(
    (['sync', 'producer-notify'] as const).map((job) => [
      config[job === 'sync' ? 'sync' : 'notify'].functionName,
      { job, lane: createLane({ atOnce: AT_ONCE, waiting: MOST_WAITING, random: host.random }) },
    ]),
  );

  /** One run, from its event to its report. Undefined for one that was cut short. */
  const attempt = async (
    job: JobName,
    event: unknown,
    { invocation }: Run,
  ): Promise<RunResult | undefined> => {
    const context = { job, run: invocation.requestId };
    const own = { ...parts, log: withContext(log, context) };
    try {
      switch (job) {
        case 'sync': {
          const summary = await runSyncJob(event, invocation, own);
          reportRound(summary, context, log);
          return { kind: 'done', job, summary };
        }
        case 'ip-check':
          return { kind: 'done', job, summary: await runIpCheck(event, invocation, own) };
        case 'producer-notify':
          return { kind: 'done', job, summary: await runProducerNotify(event, invocation, own) };
      }
    } catch (error) {
      if (!ended) return { kind: 'failed', job, error };
      log.info('A run was cut short; a later one takes up what it left', { ...context, ...reasonOf(error) });
      return undefined;
    }
  };

  const run = async (job: JobName, event: unknown): Promise<RunResult | undefined> => {
    if (ended) return undefined;
    const limitMs = TIME_LIMITS_MS[job];
    const current = startRun(clock, limitMs);
    const over = new AbortController();
    const startedMs = clock.nowMs();
    const attempting = attempt(job, event, current).then((result) => {
      current.end();
      over.abort();
      running.delete(current);
      if (result !== undefined) onResult(result);
      return result;
    });
    running.set(current, attempting);
    const left = clock.until(startedMs + limitMs + LEFT_BEHIND_MS, over.signal).then(() => undefined);
    const result = await Promise.race([attempting, left]);
    if (!running.has(current)) return result ?? attempting;
    log.error('A run has outlived its time and was left behind', { job, run: current.invocation.requestId });
    leftBehind += 1;
    void attempting.then(() => {
      leftBehind -= 1;
    });
    return undefined;
  };

  return {
    run,
    invoke,
    get leftBehind() {
      return leftBehind;
    },
    async end(withinMs) {
      ended = true;
      for (const { lane } of lanes.values()) lane.close();
      for (const current of running.keys()) current.hurry(withinMs);
      await Promise.all(running.values());
      await parts.redis.close();
    },
  };
}

/** One line a round, or shard of one. A round that did nothing has said so itself. */
function reportRound(summary: RoundSummary, context: LogFields, log: Log): void {
  const { pages, of, shard, complete, inconclusive, stopped, probes, states, errors, durationMs } = summary;
  if (pages === 0) return;
  log.info('The round has ended', {
    ...context,
    ...(of > 1 && { shard, of }),
    ...(!complete && { complete }),
    ...(inconclusive && { inconclusive }),
    ...(stopped !== undefined && { stopped }),
    probes,
    ...states,
    ...(Object.keys(errors).length > 0 && { errors }),
    durationMs,
  });
}

function withContext(log: Log, context: LogFields): Log {
  return {
    debug: (message, fields) => log.debug(message, { ...context, ...fields }),
    info: (message, fields) => log.info(message, { ...context, ...fields }),
    warn: (message, fields) => log.warn(message, { ...context, ...fields }),
    error: (message, fields) => log.error(message, { ...context, ...fields }),
  };
}
