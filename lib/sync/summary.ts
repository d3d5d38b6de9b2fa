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

/** What a round counts while it runs. */
export type Tally = {
  /** Whether failures were not counted because nothing showed that our own network works. */
  inconclusive: boolean;
  pages: number;
  /** First calls to consumers. */
  probes: number;
  /** Second calls to those that did not answer the first. */
  secondProbes: number;
  candidateProbes: number;
  /** The consumers it came across, by their state after the round. */
  readonly states: Record<HealthState, number>;
  /** Consumers that failed, by error class, whether it counted or not. */
  readonly errors: Partial<Record<HealthError, number>>;
  /** Consumers that were called and got no verdict. */
  unjudged: number;
  readonly skipped: Partial<Record<SkipReason, number>>;
  /** New candidates. */
  learned: number;
  /** Candidates that became consumers. */
  promoted: number;
  /** Consumers found at another address than the one in `consumers`. */
  moved: number;
  /** Consumers whose answer introduced others. */
  introducing: number;
  /** Health records that were removed because `consumers` holds them no more. */
  forgotten: number;
  /** Other shards that were started. */
  shardsStarted: number;
  /** Other shards that could not be started. */
  shardsLost: number;
};

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

export function createTally(): Tally {
  return {
    inconclusive: false,
    pages: 0,
    probes: 0,
    secondProbes: 0,
    candidateProbes: 0,
    states: { new: 0, alive: 0, suspect: 0, dead: 0 },
    errors: {},
    unjudged: 0,
    skipped: {},
    learned: 0,
    promoted: 0,
    moved: 0,
    introducing: 0,
    forgotten: 0,
    shardsStarted: 0,
    shardsLost: 0,
  };
}

export function increment<Key extends string>(counts: Partial<Record<Key, number>>, key: Key): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
