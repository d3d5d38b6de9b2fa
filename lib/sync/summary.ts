import type { Ip } from '../peers/ip-space.ts';
import type { RecordRefusal } from '../peers/registry.ts';
import type { HealthError, HealthState } from '../store/health-record.ts';

/** Every `StopReason`. */
export const STOP_REASONS = ['held', 'late', 'lease', 'time', 'budget', 'outage', 'error'] as const;

/**
 * Why a round ended before it had walked all pages, or did nothing: another run holds the lease (`held`) or took it
 * (`lease`: also when Redis could not be asked for so long that it may have), it began too long ago (`late`), time ran out
 * (`time`) or the calls that a round may make (`budget`), our own network is down (`outage`), or reading or writing failed
 * (`error`, which is thrown as well).
 */
export type StopReason = (typeof STOP_REASONS)[number];

/** Why an entry of `consumers` is not probed. `self` is our own UUID or address, `repeated` one that came twice. */
export type SkipReason = RecordRefusal | 'self' | 'repeated';

/** What peers say about us, one voice for each /24 (v6: /48) of them. */
export interface Mirror {
  /** At which addresses they see our calls come from: the register's, and the three that were named most beside it. */
  readonly seen: Readonly<Record<Ip, number>>;
  /** How many reached us at their own last probe, and how many did not. */
  readonly reached: number;
  readonly unreached: number;
}

/** What a round counts while it runs, before its first call. */
export function createTally() {
  const errors: Partial<Record<HealthError, number>> = {};
  const skipped: Partial<Record<SkipReason, number>> = {};
  return {
    /** Whether failures were not counted because nothing showed that our own network works. */
    inconclusive: false,
    pages: 0,
    /** First calls to consumers. */
    probes: 0,
    /** Second calls to those that did not answer the first. */
    secondProbes: 0,
    candidateProbes: 0,
    /** The consumers it came across, by their state after the round. */
    states: { new: 0, alive: 0, suspect: 0, dead: 0 } satisfies Record<HealthState, number>,
    /** Consumers that failed, by error class, whether it counted or not. */
    errors,
    /** Consumers that were called and got no verdict. */
    unjudged: 0,
    /** Entries of `consumers` that are not probed. */
    skipped,
    /** New candidates. */
    learned: 0,
    /** Candidates that became consumers. */
    promoted: 0,
    /** Consumers found at another address than the one in `consumers`. */
    moved: 0,
    /** Consumers whose answer introduced others. */
    introducing: 0,
    /** Health records that were removed because `consumers` holds them no more. */
    forgotten: 0,
    /** Other shards that were started. */
    shardsStarted: 0,
    /** Other shards that could not be started. */
    shardsLost: 0,
  };
}

/** The counts of a round. */
export type Tally = ReturnType<typeof createTally>;

/**
 * What one round, or one shard of it, came to. The numbers of the shards of a round add up. It is what `sync` answers
 * and, without `forgotten`, what `sync:rounds` keeps as JSON.
 */
export type RoundSummary = Readonly<Tally> & {
  readonly round: string;
  readonly shard: number;
  readonly of: number;
  /** When the round began, by Redis's clock. */
  readonly at: number;
  /** Whether the walk has reached the end of `consumers`. */
  readonly complete: boolean;
  readonly stopped?: StopReason;
  /** Whether it went on where an earlier one had to stop. */
  readonly resumed: boolean;
  /** Absent where no peer says anything about us. */
  readonly mirror?: Mirror;
  /** Redis commands, a script counting as one. */
  readonly commands: number;
  readonly durationMs: number;
};

export function increment<Key extends string>(counts: Partial<Record<Key, number>>, key: Key): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
