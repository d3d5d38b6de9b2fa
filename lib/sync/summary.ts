import type { RecordRefusal } from '../peers/registry.ts';
import type { HealthState } from './health.ts';
import type { HealthError } from './outcome.ts';

/**
 * Why a round ended before it had walked all pages, or did nothing: another run holds the lease (`held`) or took it
 * (`lease`: also when Redis could not be asked for so long that it may have), it began too long ago (`late`), time ran out
 * (`time`) or the calls that a round may make (`budget`), our own network is down (`outage`), or reading a page failed
 * (`error`, which is thrown as well).
 */
export type StopReason = 'held' | 'late' | 'lease' | 'time' | 'budget' | 'outage' | 'error';

/** Why an entry of `consumers` is not probed. `self` is our own UUID or address, `repeated` one that came twice. */
export type SkipReason = RecordRefusal | 'self' | 'repeated';

/**
 * What one round, or one shard of it, came to. The numbers of the shards of a round add up. It is what `sync` answers
 * and, without `forgotten`, what `sync:rounds` keeps as JSON.
 */
export type RoundSummary = {
  readonly round: string;
  readonly shard: number;
  readonly of: number;
  /** When the round began, by Redis's clock. */
  readonly at: number;
  /** Whether the walk has reached the end of `consumers`; with a budget left it may have begun again there. */
  readonly complete: boolean;
  /** Whether our own network was found to be down: what failed was then not written. */
  readonly inconclusive: boolean;
  readonly stopped?: StopReason;
  /** Whether it went on where an earlier one had to stop. */
  readonly resumed: boolean;
  readonly pages: number;
  /** Calls to consumers, and to candidates. */
  readonly probes: number;
  readonly candidateProbes: number;
  /** The consumers it came across, by their state after the round. */
  readonly states: Readonly<Record<HealthState, number>>;
  /** Consumers whose probe failed, by error class. */
  readonly errors: Readonly<Partial<Record<HealthError, number>>>;
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** New candidates; candidates that became consumers; dead consumers found at another address. */
  readonly learned: number;
  readonly promoted: number;
  readonly moved: number;
  /** Health records that were removed because `consumers` holds them no more. */
  readonly forgotten: number;
  /** Other shards that were started, and that could not be. */
  readonly shardsStarted: number;
  readonly shardsLost: number;
  /** Redis commands, a script counting as one. */
  readonly commands: number;
  readonly durationMs: number;
};

/** A summary while it is being made. */
export type Tally = { -readonly [Key in Counter]: number } & {
  readonly states: Record<HealthState, number>;
  readonly errors: Partial<Record<HealthError, number>>;
  readonly skipped: Partial<Record<SkipReason, number>>;
};

type Counter =
  | 'pages'
  | 'probes'
  | 'candidateProbes'
  | 'learned'
  | 'promoted'
  | 'moved'
  | 'forgotten'
  | 'shardsStarted'
  | 'shardsLost'
  | 'commands';

export function createTally(): Tally {
  return {
    pages: 0,
    probes: 0,
    candidateProbes: 0,
    states: { new: 0, alive: 0, suspect: 0, dead: 0 },
    errors: {},
    skipped: {},
    learned: 0,
    promoted: 0,
    moved: 0,
    forgotten: 0,
    shardsStarted: 0,
    shardsLost: 0,
    commands: 0,
  };
}

export function increment<Key extends string>(counts: Partial<Record<Key, number>>, key: Key): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
