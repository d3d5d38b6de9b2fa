import type { Prepare } from '../contestant.ts';
import { type AppParams, invocation, openSubject } from './app.ts';

/** A whole round as `sync` runs it: identity, lease, pages, health, summary. */
export const prepare: Prepare<AppParams> = async (params) => {
  const { app, takeCounts } = openSubject(params);
  return {
    async run() {
      takeCounts();
      await app.sync({ source: 'schedule' }, invocation());
      return takeCounts();
    },
  };
};
