import { runSyncJob } from '../lib/app.ts';
import { createHandler } from '../lib/lambda/handler.ts';
import type { MetricValues } from '../lib/lambda/metrics.ts';
import type { RoundSummary } from '../lib/sync/summary.ts';

/** EventBridge Scheduler, or `sync` itself for a shard of a large round → one round, or one shard of it. */
export const handler = createHandler({ run: runSyncJob, metrics: roundMetrics });

/**
 * Only a round that has seen every consumer can tell how many are alive: one that was cut, went on where another had
 * stopped, or did nothing publishes no states. A shard sees its part of the consumers. It publishes that part times the
 * number of shards, so that the metric's average over the shards is the whole.
 */
export function roundMetrics({
  of,
  complete,
  resumed,
  stopped,
  states,
}: Pick<RoundSummary, 'of' | 'complete' | 'resumed' | 'stopped' | 'states'>): MetricValues {
  return {
    RoundsCut: Number(stopped === 'time' && !complete),
    ...(complete && !resumed
      ? { Alive: states.alive * of, Suspect: states.suspect * of, Dead: states.dead * of }
      : {}),
  };
}
