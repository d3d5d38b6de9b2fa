import type { Ip } from '../peers/ip-space.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { HealthRecord } from './health-record.ts';
import type { HeldLease } from './lease.ts';
import type { PartState } from './part-state.ts';

/**
 * Everything that a round of synchronization keeps. One store serves one invocation: it owns Redis's clock and, once a
 * round is open, the round's lease. Implemented over Redis, and in memory for the simulator.
 *
 * Each method throws RedisUnavailableError where Redis could not be asked, and RedisReplyError, which names the key, where
 * a key holds something else.
 */
export interface RoundStore {
  /** Whole milliseconds by Redis's clock. Only once a round was asked for. */
  nowMs(): number;
  /** Redis commands that were sent, a script counting as one. */
  readonly commands: number;
  /** Proves the identity, takes the lease, and reads what a round starts from. Throws IdentityError as well. */
  openRound(request: OpenRequest): Promise<OpenedRound | 'held' | 'late'>;
  /** One page of `consumers`, of about `count` entries. `rejected` if Redis does not take the cursor. */
  scanConsumers(cursor: string, count: number): Promise<ScannedPage | 'rejected'>;
  /** The health of entries of `consumers`, by their fields, in their order. */
  readHealth(fields: readonly string[]): Promise<readonly (HealthRecord | undefined)[]>;
  /** Those of some uuids that are in `consumers`, in either spelling, with their health. */
  findConsumers(uuids: readonly Uuid[]): Promise<readonly ConsumerEntry[]>;
  /** Writes health and where the part stands, and renews the lease; or ends the round and gives the lease up. */
  writePage(page: PageWrite): Promise<PageWritten | 'lease-lost'>;
  /** Has candidates take free slots, or slots whose occupant has failed. Answers those that did. */
  learn(claims: readonly SlotClaim[]): Promise<readonly Candidate[]>;
  /** Writes what became of candidates, as far as everything still is as it was read. */
  settle(changes: readonly Discovery[]): Promise<SettledCandidates | 'lease-lost'>;
  /** Ends the renewing of the lease in the background. The lease stays if the round was not ended. */
  close(): Promise<void>;
}

export interface OpenRequest {
  readonly shard: number;
  /** For a shard that another invocation started: when its round began, and how old that may be, ms. */
  readonly begun?: { readonly at: number; readonly withinMs: number };
}

/** What a round starts from. */
export interface OpenedRound {
  /** A time after all probes of earlier rounds, by Redis's clock. */
  readonly at: number;
  readonly lease: Pick<HeldLease, 'leftMs' | 'renew' | 'lost'>;
  /** How many entries `consumers` has. */
  readonly consumers: number;
  /** Our own address by the register. */
  readonly ownIp?: Ip;
  /** What was left by the last round of this shard, in a split into `of` shards. */
  stateOf(of: number): PartState;
  /** The secret of the database that candidates' slots are drawn from. Shard 0 only, as the rest. */
  readonly secret: string;
  readonly candidates: readonly Candidate[];
  /** Who called us while we did not hold it alive. They were taken out of the set. */
  readonly called: readonly Uuid[];
  /** Names of keys that hold a wrong type, and that the round can do without. */
  readonly unusable: readonly string[];
}

/** One entry of `consumers`: its field and its address as they stand there. */
export interface RawEntry {
  readonly field: string;
  readonly address: string;
}

export interface ConsumerEntry extends RawEntry {
  readonly health: HealthRecord | undefined;
}

export interface ScannedPage {
  /** Where the next page begins; `0` after the last. */
  readonly next: string;
  readonly entries: readonly RawEntry[];
}

/** The shard of a round that a write is about. */
export interface PartName {
  readonly shard: number;
  readonly of: number;
}

export interface PageWrite {
  readonly part: PartName;
  readonly nowMs: number;
  readonly health: readonly { readonly field: string; readonly record: HealthRecord }[];
  readonly state: PartState;
  /** Ends the round: nothing may be written any more. */
  readonly end?: RoundEnd;
}

export interface RoundEnd {
  /** Kept in `sync:rounds`. */
  readonly summary: { readonly round: string; readonly at: number } & Readonly<Record<string, unknown>>;
  /** For `sync:reply`; absent leaves the one that is there. */
  readonly reply?: readonly { readonly uuid: Uuid; readonly ip: string }[];
}

export interface PageWritten {
  /** Health records that were removed because `consumers` holds them no more. */
  readonly forgotten: number;
  /** Names of keys that hold a wrong type, and were left alone. */
  readonly unusable: readonly string[];
}

/** A consumer that we only heard of, in its slot. */
export interface Candidate {
  readonly slot: number;
  readonly uuid: Uuid;
  readonly address: string;
  /** The consumer that named it. */
  readonly from: string;
  readonly failures: number;
  /** What stands in the slot: it is changed only while it is that. */
  readonly stored: string;
}

/** A candidate that wants a slot. */
export interface SlotClaim extends Pick<Candidate, 'slot' | 'uuid' | 'address' | 'from'> {
  readonly at: number;
}

/** What became of a candidate, or of the home of a consumer that had moved by hearsay. */
export type Discovery =
  | { readonly kind: 'promote'; readonly candidate: Candidate; readonly health: HealthRecord }
  | { readonly kind: 'move'; readonly candidate: Candidate; readonly move: Move }
  | { readonly kind: 'return'; readonly move: Move }
  | { readonly kind: 'failed'; readonly candidate: Candidate; readonly at: number }
  | { readonly kind: 'drop'; readonly candidate: Candidate };

/** An entry of `consumers` gets the address of `health`, if entry and address are what they were. */
export interface Move {
  readonly field: string;
  readonly from: string;
  readonly health: HealthRecord;
}

/** Fields of `consumers` that were added, and that got another address. */
export interface SettledCandidates {
  readonly promoted: readonly string[];
  readonly moved: readonly string[];
}
