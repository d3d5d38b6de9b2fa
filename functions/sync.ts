import { runSyncJob } from '../lib/app.ts';
import { createHandler } from '../lib/lambda/handler.ts';

/** EventBridge Scheduler, or `sync` itself for a shard of a large round → one round, or one shard of it. */
export const handler = createHandler({
  run: runSyncJob,
  metrics: ({ of, complete, resumed, stopped, states }) => ({
    RoundsCut: Number(stopped === 'time'),
    // Only a round that has seen every consumer can tell how many are alive. A shard sees its part of them: times the
    // number of shards, so that the metric's average over the shards is the whole.
    ...(complete && !resumed
      ? { Alive: states.alive * of, Suspect: states.suspect * of, Dead: states.dead * of }
      : {}),
  }),
});
