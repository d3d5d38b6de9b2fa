import type { AppParts } from '../lib/app.ts';
import { countFailed } from '../lib/store/health-record.ts';
import type { ConsumerRow, ConsumerState } from './peers/consumer-row.ts';
import { readConsumers } from './peers/read-peers.ts';
import { isBudgeted, type Round } from './read/rounds.ts';
import { CHEAP_MEMBERS } from './read/scan.ts';
import { isStale } from './read/stale.ts';
import { totalOf } from './text/count.ts';

/**
 * How much is read. `verdict`: what the verdict needs, cheap enough for every minute. `page`: also the worst consumers.
 * `all`: every consumer's record, however many there are.
 */
export type Depth = 'verdict' | 'page' | 'all';

/** The states that are counted. This consumer itself is not one of its consumers. */
export type CountedState = Exclude<ConsumerState, 'self'>;

/** What is known about consumers. */
export interface ConsumerFacts {
  /** Entries of `consumers`, this consumer itself left out. The counts of `states` add up to it. */
  readonly known: number;
  readonly heardOf: number;
  /** Absent where there are too many to read and no complete round is recent enough to tell. */
  readonly states?: Readonly<Record<CountedState, number>>;
  /** Entries that cannot be called, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** When the round was, if the states are from one; otherwise every record was read just now. */
  readonly countedAt?: number;
  /** The worst first, 50 at most. Empty where the records were not read. */
  readonly worst: readonly ConsumerRow[];
  /** Entries that cannot be called, 10 at most. Empty where the records were not read. */
  readonly unusable: readonly ConsumerRow[];
}

interface Counting {
  readonly entries: number;
  readonly heardOf: number;
  readonly readable: boolean;
  readonly rounds: readonly Round[];
  readonly nowMs: number;
  readonly depth: Depth;
}

const SHOWN_WORST = 50;
const SHOWN_UNUSABLE = 10;
/** More than this is not read every minute, only to learn the verdict. */
const CHEAP_FOR_VERDICT = 1_000;

/** Counts the consumers by state, from their records or from the last round that came across them all. */
export async function countConsumers(parts: AppParts, counting: Counting): Promise<ConsumerFacts> {
  const { entries, heardOf, readable, depth, nowMs } = counting;
  const nothing = { known: entries, heardOf, refused: {}, worst: [], unusable: [] };
  if (!readable) return nothing;
  const most = depth === 'verdict' ? CHEAP_FOR_VERDICT : CHEAP_MEMBERS;
  const whole = depth !== 'all';
  if (whole && entries > most) return { ...nothing, ...countedByRound(parts, counting) };
  const pages = readConsumers({ ...parts, nowMs, whole });
  return { ...nothing, ...(await tallyOf(whole ? pages : withoutRepeats(pages))) };
}

/** States and reasons, as the last round counted them that came across all consumers, or made all the calls it may. */
function countedByRound(
  { config }: AppParts,
  { entries, rounds, nowMs }: Counting,
): Pick<ConsumerFacts, 'known' | 'states' | 'refused' | 'countedAt'> {
  const recent = rounds.filter(({ at }) => !isStale(at, config.sync.intervalMs, nowMs));
  const whole = recent.find(({ complete, inconclusive, resumed }) => complete && !inconclusive && !resumed);
  const round = whole ?? recent.find(isBudgeted);
  if (round === undefined) return { known: entries, refused: {} };
  const { self = 0, repeated: _, ...refused } = round.skipped;
  const known = Math.max(0, entries - self);
  const unusable = totalOf(refused);
  const counted = totalOf(round.states) + unusable;
  return {
    known,
    states: { ...round.states, unknown: Math.max(0, known - counted), unusable },
    refused,
    countedAt: round.at,
  };
}

/** Counts rows, and keeps the worst of them. */
async function tallyOf(
  pages: AsyncIterable<readonly ConsumerRow[]>,
): Promise<Pick<ConsumerFacts, 'known' | 'states' | 'refused' | 'worst' | 'unusable'>> {
  const states = { alive: 0, suspect: 0, dead: 0, new: 0, unknown: 0, self: 0, unusable: 0 };
  const refused: Record<string, number> = {};
  const unusable: ConsumerRow[] = [];
  const worst = keepWorst();
  for await (const page of pages) {
    for (const row of page) {
      states[row.state]++;
      if (row.state === 'self') continue;
      if (row.refused === undefined) worst.add(row);
      else {
        refused[row.refused] = (refused[row.refused] ?? 0) + 1;
        if (unusable.length < SHOWN_UNUSABLE) unusable.push(row);
      }
    }
  }
  const { self: _, ...others } = states;
  return { known: totalOf(others), states: others, refused, worst: worst.rows(), unusable };
}

/** A scan gives an entry twice where the hash grows or shrinks meanwhile: here each comes once. */
async function* withoutRepeats(
  pages: AsyncIterable<readonly ConsumerRow[]>,
): AsyncGenerator<readonly ConsumerRow[]> {
  const seen = new Set<string>();
  for await (const page of pages) {
    yield page.filter(({ uuid }) => {
      const isNew = !seen.has(uuid);
      if (isNew) seen.add(uuid);
      return isNew;
    });
  }
}

/** Keeps the worst of any number of rows, and never many more than those. */
function keepWorst(): { add(row: ConsumerRow): void; rows(): ConsumerRow[] } {
  let kept: { readonly row: ConsumerRow; readonly rank: number }[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const cut = () => {
    kept.sort((a, b) => b.rank - a.rank || (a.row.uuid < b.row.uuid ? -1 : 1));
    kept = kept.slice(0, SHOWN_WORST);
    if (kept.length === SHOWN_WORST) least = kept.at(-1)?.rank ?? least;
  };
  return {
    add(row) {
      // Most are in a better state than all that are kept: their outcomes need not be counted.
      if ((WORST_FIRST.indexOf(row.state) + 1) * STATE_WEIGHT <= least) return;
      const rank = badness(row);
      if (rank < least) return;
      kept.push({ row, rank });
      if (kept.length >= 10 * SHOWN_WORST) cut();
    },
    rows() {
      cut();
      return kept.map(({ row }) => row);
    },
  };
}

const WORST_FIRST: readonly ConsumerState[] = ['alive', 'new', 'unknown', 'suspect', 'dead'];

/** More than failures and round-trip time come to. */
const STATE_WEIGHT = 1e9;

/** Orders by state; those in one state by how many of their last probes failed, then by their round-trip time. */
function badness({ state, health }: ConsumerRow): number {
  const failed = countFailed(health?.recent ?? '');
  return WORST_FIRST.indexOf(state) * STATE_WEIGHT + failed * 1e6 + Math.min(health?.rtt ?? 0, 999_999);
}
