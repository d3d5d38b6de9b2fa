import { setTimeout as delay } from 'node:timers/promises';
import { SECOND_LOOK_MS } from '../../lib/ip/observe.ts';

/** Long enough to be killed in, and for the address to change again. */
const QUICK_MS = 40;

type Delay = typeof delay;

/**
 * Stands for `node:timers/promises` in the machine of `lib/app.ts`, which waits 3 s between the two looks at a new address:
 * here it waits 40 ms. Every other wait takes its time.
 */
export const setTimeout: Delay = (ms, value, options) =>
  delay(ms === SECOND_LOOK_MS ? QUICK_MS : ms, value, options);
