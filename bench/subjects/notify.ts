import type { Prepare } from '../contestant.ts';
import { type AppParams, invocation, openSubject } from './app.ts';

/**
 * A change told to every producer as `producer-notify` does it, from the operator's word: the commit that makes every
 * producer due, claims, calls, settles. Each run tells another address.
 */
export const prepare: Prepare<AppParams> = async (params) => {
  const { app, takeCounts } = openSubject(params);
  let runs = 0;
  return {
    async run() {
      takeCounts();
      const event = { ip: `203.0.113.${10 + (runs++ % 200)}` };
      const { outcome } = await app.producerNotify(event, invocation(290_000));
      if (outcome !== 'idle') throw new Error(`the run ended ${outcome}, with producers left`);
      return takeCounts();
    },
  };
};
