import { createHandler } from '../lib/lambda/handler.ts';
import { runSync } from '../lib/sync/round.ts';

/** EventBridge Scheduler, or `sync` itself for a shard of a large round → one round, or one shard of it. */
export const handler = createHandler({
  run: runSync,
  metrics: ({ probes, states }) => ({ Probes: probes, Alive: states.alive, Dead: states.dead }),
});
