import { runIpCheck } from '../lib/ip/check.ts';
import { createHandler } from '../lib/lambda/handler.ts';

/** EventBridge Scheduler → one look at the public IP. A change is committed, and `producer-notify` is started. */
export const handler = createHandler({
  run: runIpCheck,
  metrics: ({ outcome, redundancyLost, due }) => ({
    IpChanged: Number(outcome === 'changed'),
    IpUnknown: Number(outcome === 'unknown'),
    RedundancyLost: redundancyLost === undefined ? undefined : Number(redundancyLost),
    DeliveriesDue: due,
  }),
});
