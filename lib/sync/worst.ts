import { countFailed, type HealthRecord, type HealthState } from '../store/health-record.ts';
import { MOST_WORST } from '../store/part-state.ts';

/** Keeps the 50 worst of any number of consumers, and never many more than those. */
export interface Worst<Item> {
  add(item: Item, state: RankedState, health: HealthRecord | undefined): void;
  /** The worst first. */
  items(): Item[];
}

/** `unknown` is what was found out too long ago. */
type RankedState = HealthState | 'unknown';

const WORST_LAST: readonly RankedState[] = ['alive', 'new', 'unknown', 'suspect', 'dead'];
/** More than failures and round-trip time come to. */
const STATE_WEIGHT = 1e9;

/** Ranks by state; those in one state by how many of their last probes failed, then by their round-trip time. */
export function keepWorst<Item>(): Worst<Item> {
  let kept: { readonly item: Item; readonly rank: number }[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const cut = () => {
    kept = kept.sort((a, b) => b.rank - a.rank).slice(0, MOST_WORST);
    if (kept.length === MOST_WORST) least = kept.at(-1)?.rank ?? least;
  };
  return {
    add(item, state, health) {
      const base = WORST_LAST.indexOf(state) * STATE_WEIGHT;
      // Most are in a better state than all that are kept: their outcomes need not be counted.
      if (base + STATE_WEIGHT <= least) return;
      const failed = countFailed(health?.recent ?? '');
      const rank = base + failed * 1e6 + Math.min(health?.rtt ?? 0, 999_999);
      if (rank <= least) return;
      kept.push({ item, rank });
      if (kept.length >= 10 * MOST_WORST) cut();
    },
    items() {
      cut();
      return kept.map(({ item }) => item);
    },
  };
}
