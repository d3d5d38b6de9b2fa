import { createHandler } from '../lib/handler.ts';

/** EventBridge Scheduler → one look at the public IP. A change is committed, and `producer-notify` is started. */
export const handler = createHandler({
  run: (app, event, invocation) => app.ipCheck(event, invocation),
  metrics: ({ outcome, due }) => ({
    IpChanged: Number(outcome === 'changed'),
    IpUnknown: Number(outcome === 'unknown'),
    DeliveriesDue: due,
  }),
});
