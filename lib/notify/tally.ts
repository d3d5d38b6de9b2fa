import type { Backlog, ClaimReply } from './claim.lua.ts';
import type { FailureClass, Result } from './delivery.ts';
import type { Settled } from './settle.lua.ts';

/** What a drain did, in counts of deliveries. */
export type Counts = {
  /** Leased to this drain. */
  readonly claimed: number;
  /** Acknowledged the address that was current then. */
  readonly acknowledged: number;
  /** Of these, to be told once more because an older address may still arrive. */
  readonly again: number;
  /** Acknowledged at an address that was no longer the producer's, and due at once. */
  readonly moved: number;
  /** Told an epoch that has passed in the meantime, whatever came of it, and due at once. */
  readonly older: number;
  /** Failed attempts by class. */
  readonly failed: Readonly<Partial<Record<FailureClass, number>>>;
  /** Failed attempts that may still arrive. */
  readonly ambiguous: number;
  /** Handed back without an attempt. */
  readonly released: number;
  /** Settled in vain: the delivery was no longer ours, or the settle had run before. */
  readonly stale: number;
  /** Postponed because `producers` does not hold them. */
  readonly missing: number;
  /** Put off because their uuid or address can be nobody's, before any claim. */
  readonly unusable: number;
  /** Left in `deliveries:due`, those under a lease included; undefined if Redis was not heard. */
  readonly remaining: number | undefined;
  /** When the first of them is due, ms of Redis's time. */
  readonly nextDueAt: number | undefined;
};

export interface Tally {
  claim(reply: ClaimReply): void;
  result(result: Result): void;
  settled(outcomes: readonly Settled[], backlog: Backlog | undefined): void;
  counts(): Counts;
}

export function createTally(): Tally {
  let claimed = 0;
  let missing = 0;
  let unusable = 0;
  let ambiguous = 0;
  let backlog: Backlog | undefined;
  const failed: Partial<Record<FailureClass, number>> = {};
  const outcomes: Record<Settled, number> = {
    told: 0,
    again: 0,
    moved: 0,
    older: 0,
    retry: 0,
    released: 0,
    stale: 0,
  };
  return {
    claim(reply) {
      claimed += reply.deliveries.length;
      missing += reply.missing;
      unusable += reply.unusable;
      backlog = reply.backlog;
    },
    result(result) {
      if (result.kind !== 'failed') return;
      failed[result.error] = (failed[result.error] ?? 0) + 1;
      if (result.ambiguous) ambiguous += 1;
    },
    settled(settled, left) {
      for (const outcome of settled) outcomes[outcome] += 1;
      backlog = left ?? backlog;
    },
    counts: () => ({
      claimed,
      acknowledged: outcomes.told + outcomes.again,
      again: outcomes.again,
      moved: outcomes.moved,
      older: outcomes.older,
      failed: { ...failed },
      ambiguous,
      released: outcomes.released,
      stale: outcomes.stale,
      missing,
      unusable,
      remaining: backlog?.remaining,
      nextDueAt: backlog?.nextDueAt,
    }),
  };
}
