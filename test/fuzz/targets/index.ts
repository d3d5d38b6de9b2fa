import type { Target } from '../target.ts';
import { INPUTS } from './inputs.ts';
import { NETWORK } from './network.ts';
import { PEERS } from './peers.ts';
import { RECORDS } from './records.ts';
import { VIEWS } from './views.ts';

/** Everything that reads what others wrote. */
export const TARGETS: readonly Target[] = [...PEERS, ...INPUTS, ...RECORDS, ...NETWORK, ...VIEWS];
