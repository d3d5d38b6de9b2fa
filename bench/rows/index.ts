import type { Row } from '../row.ts';
import { coldStart } from './cold-start.ts';
import { cpu } from './cpu.ts';
import { host } from './host.ts';
import { notifyMemory, roundMemory } from './memory.ts';
import { notify } from './notify.ts';
import { notifyHanging } from './notify-hanging.ts';
import { page } from './page.ts';
import { quietCheck } from './quiet-check.ts';
import { round } from './round.ts';
import { roundBroken } from './round-broken.ts';
import { roundCost } from './round-cost.ts';
import { roundSpeed } from './round-speed.ts';
import { timeToTold } from './time-to-told.ts';

/** Every row, in the order in which they run. */
export const ROWS: readonly Row[] = [
  round,
  quietCheck,
  notify,
  notifyHanging,
  coldStart,
  host,
  page,
  roundSpeed,
  roundBroken,
  roundMemory,
  notifyMemory,
  roundCost,
  cpu,
  timeToTold,
];
