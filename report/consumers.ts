import type { AppParts } from '../lib/app.ts';
import type { Reply } from '../lib/redis/redis.ts';
import { decodePartState } from '../lib/store/part-state.ts';
import { keepWorst, rankOf } from '../lib/sync/health.ts';
import type { ConsumerRow, ConsumerState } from './peers/consumer-row.ts';
import { CHEAP_MEMBERS, readConsumers, readNamed } from './peers/read-peers.ts';
import { isBudgeted, type Round } from './read/rounds.ts';
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
  /** When the round was, if it counted and found the worst; otherwise every record was read just now. */
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
  /** Where each shard of a round stands, as it is stored. */
  readonly shards: readonly Reply[];
  readonly nowMs: number;
  readonly depth: Depth;
}

const SHOWN_UNUSABLE = 10;
/** More records than these are not read again and again if a round can tell: each 1,000 are over 200 KB. */
const CHEAP = { verdict: 1_000, page: 2_000, all: Number.POSITIVE_INFINITY } as const;
/** Without such a round, the most that are read. */
const MOST_READ = { ...CHEAP, page: CHEAP_MEMBERS } as const;

/** Counts the consumers by state, from their records or from the last round that came across them all. */
export async function countConsumers(parts: AppParts, counting: Counting): Promise<ConsumerFacts> {
  const { entries, heardOf, readable, depth, nowMs } = counting;
  const nothing = { known: entries, heardOf, refused: {}, worst: [], unusable: [] };
  if (!readable) return nothing;
  const counted = entries > CHEAP[depth] ? countedByRound(parts, counting) : undefined;
  if (counted !== undefined) {
    return { ...nothing, ...counted, ...(depth === 'page' ? await readWorst(parts, counting) : {}) };
  }
  if (entries > MOST_READ[depth]) return nothing;
  const whole = depth !== 'all';
  const pages = readConsumers({ ...parts, nowMs, whole });
  return { ...nothing, ...(await tallyOf(whole ? pages : withoutRepeats(pages))) };
}

/** States and reasons, as the last round counted them that came across all consumers, or made all the calls it may. */
function countedByRound(
  { config }: AppParts,
  { entries, rounds, nowMs, depth }: Counting,
): Pick<ConsumerFacts, 'known' | 'states' | 'refused' | 'countedAt'> | undefined {
  const recent = rounds.filter(({ at }) => !isStale(at, config.sync.intervalMs, nowMs));
  const whole = recent.find(({ complete, inconclusive, resumed }) => complete && !inconclusive && !resumed);
  // A round that calls only some says less than the records, where those can be read.
  const round = whole ?? (entries > MOST_READ[depth] ? recent.find(isBudgeted) : undefined);
  if (round === undefined) return undefined;
  const { self: _self, repeated: _repeated, ...refused } = round.skipped;
  // Only the round that comes across our own entry counts it.
  const self = Math.max(0, ...rounds.map(({ skipped }) => skipped.self ?? 0));
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

/** The worst consumers by the records of those that the last round found the worst, in each of its shards. */
async function readWorst(
  parts: AppParts,
  { nowMs, shards }: Counting,
): Promise<Pick<ConsumerFacts, 'worst'>> {
  const fields = shards.flatMap((state) => decodePartState(state, nowMs).worst.map(([field]) => field));
  const { worst } = await tallyOf(readNamed([...new Set(fields)], { ...parts, nowMs }));
  return { worst };
}

/** Counts rows, and keeps the worst of them. */
async function tallyOf(
  pages: AsyncIterable<readonly ConsumerRow[]>,
): Promise<Pick<ConsumerFacts, 'known' | 'states' | 'refused' | 'worst' | 'unusable'>> {
  const states = { alive: 0, suspect: 0, dead: 0, new: 0, unknown: 0, self: 0, unusable: 0 };
  const refused: Record<string, number> = {};
  const unusable: ConsumerRow[] = [];
  const worst = keepWorst<ConsumerRow>();
  for await (const page of pages) {
    for (const row of page) {
      const { state, health, refused: reason } = row;
      states[state]++;
      if (state === 'self') continue;
      if (state !== 'unusable') worst.add(row, rankOf(state, health));
      else {
        if (reason !== undefined) refused[reason] = (refused[reason] ?? 0) + 1;
        if (unusable.length < SHOWN_UNUSABLE) unusable.push(row);
      }
    }
  }
  const { self: _, ...others } = states;
  return { known: totalOf(others), states: others, refused, worst: worst.items(), unusable };
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
