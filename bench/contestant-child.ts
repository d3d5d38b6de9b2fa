/** The process of one contestant, forked by `contestant.ts`: prepares, then runs and reports each time it is asked. */
import type { Prepare } from './contestant.ts';
import { sampleLiveMemory } from './live-memory.ts';
import type { Run } from './measure.ts';

const { module, params, samplesMemory } = JSON.parse(process.argv[2] ?? '{}') as {
  module: string;
  params: unknown;
  samplesMemory: boolean;
};
process.on('disconnect', () => process.exit(0));

const { prepare } = (await import(module)) as { prepare: Prepare<unknown> };
const { run } = await prepare(params);

process.on('message', async () => {
  const stopSampling = samplesMemory ? sampleLiveMemory() : undefined;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const facts = await run();
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  const result: Run = {
    ms,
    cpuMs: (user + system) / 1_000,
    peakMb: process.resourceUsage().maxRSS / 1_024,
    ...(stopSampling === undefined ? {} : { liveMb: stopSampling() }),
    facts,
  };
  process.send?.(result);
});
process.send?.({ kind: 'ready' });
