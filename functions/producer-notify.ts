import { createHandler } from '../lib/lambda/handler.ts';
import { runProducerNotify } from '../lib/notify/notify.ts';

/** `ip-check`, or an operator with `{"ip": …}` → tells every producer that is due the current IP. */
export const handler = createHandler({
  run: runProducerNotify,
  // The largest value of a change is the time until its last producer was told.
  metrics: ({ toldAfterMs }) => ({ ToldAfter: toldAfterMs }),
});
