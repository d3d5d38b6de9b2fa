import type { Part } from './context.ts';

/** How many calls a round, or its shard, may still plan. Without a limit that is Infinity. */
export interface Budget {
  readonly left: number;
  /** Takes as many of the wanted calls as are left, and answers how many. */
  take(wanted: number): number;
}

/** Of a limited budget, what candidates may take: strangers who tell of many must not keep us from those we know. */
const CANDIDATES_SHARE = 0.1;

/** A shard's equal part of `SYNC_MAX_PROBES_PER_ROUND`; the parts of all shards add up to it. */
export function createBudget(maxProbes: number, { shard, of }: Pick<Part, 'shard' | 'of'>): Budget {
  let left = Number.isFinite(maxProbes) ? Math.floor((maxProbes + of - 1 - shard) / of) : maxProbes;
  return {
    get left() {
      return left;
    },
    take(wanted) {
      const taken = Math.min(wanted, left);
      left -= taken;
      return taken;
    },
  };
}

/** How many of the calls that are left may go to candidates. */
export function candidatesPart({ left }: Budget): number {
  return Math.floor(left * CANDIDATES_SHARE);
}
