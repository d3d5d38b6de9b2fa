import type { Prepare } from '../contestant.ts';
import { type AppParams, invocation, openSubject } from './app.ts';

/** A whole round as `sync` runs it: identity, lease, pages, health, summary. */
export const prepare: Prepare<AppParams> = async (params) => {
  const { app, takeCounts } = openSubject(params);
  return {
    async run() {
      takeCounts();
      const { complete, stopped, probes, states } = await app.sync({ source: 'schedule' }, invocation());
      if (!complete) throw new Error(`the round ended before its time: ${stopped}`);
      return { ...takeCounts(), probes, alive: states.alive };
    },
  };
};
