import type { Prepare } from '../contestant.ts';
import { type AppParams, invocation, openSubject } from './app.ts';

export interface NotifyParams extends AppParams {
  /** How long a run may take. Default: until everybody is told. */
  readonly limitMs?: number;
}

/**
 * A change told to every producer as `producer-notify` does it, from the operator's word: the commit that makes every
 * producer due, claims, calls, settles. Each run tells another address.
 */
export const prepare: Prepare<NotifyParams> = async ({ limitMs, ...params }) => {
  const { app, takeCounts } = openSubject(params);
  let runs = 0;
  return {
    async run() {
      takeCounts();
      const event = { ip: `203.0.113.${10 + (runs++ % 200)}` };
      const { outcome, acknowledged, toldAfterMs } = await app.producerNotify(
        event,
        invocation(limitMs ?? 290_000),
      );
      if (outcome !== 'idle' && limitMs === undefined) {
        throw new Error(`the run ended ${outcome}, with producers left`);
      }
      return { ...takeCounts(), acknowledged, toldAfterMs: toldAfterMs ?? Number.NaN };
    },
  };
};
