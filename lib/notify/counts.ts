import type { Result, Settled } from '../store/deliveries.ts';

/** What a drain did, in counts of deliveries. */
export type Counts = {
  /** Leased to this drain. */
  claimed: number;
  /** Acknowledged the address that was current then. */
  acknowledged: number;
  /** Of these, to be told once more because an older address may still arrive. */
  again: number;
  /** Acknowledged at an address that was no longer the producer's, and due at once. */
  moved: number;
  /** Told an epoch that has passed in the meantime, whatever came of it, and due at once. */
  older: number;
  /** Failed attempts by class: `timeout`, `refused`, …, `status` for an HTTP status, `bad-address`. */
  readonly failed: Record<string, number>;
  /** Failed attempts that may still arrive. */
  ambiguous: number;
  /** Handed back without an attempt. */
  released: number;
  /** Settled in vain: the delivery was no longer ours, or the settle had run before. */
  stale: number;
  /** Postponed because `producers` does not hold them. */
  missing: number;
  /** Put off before any attempt, because their uuid or address can be nobody's. */
  unusable: number;
  /** Left in `deliveries:due`, leased ones included. Absent if Redis was not heard in the end. */
  remaining?: number;
  /** When the first of them is due, ms of Redis's time. */
  nextDueAt?: number;
};

export function newCounts(): Counts {
  return {
    claimed: 0,
    acknowledged: 0,
    again: 0,
    moved: 0,
    older: 0,
    failed: {},
    ambiguous: 0,
    released: 0,
    stale: 0,
    missing: 0,
    unusable: 0,
  };
}

/** Counts how an attempt ended. */
export function countResult(counts: Counts, result: Result): void {
  if (result.kind !== 'failed') return;
  const name = /^\d/.test(result.status) ? 'status' : result.status;
  counts.failed[name] = (counts.failed[name] ?? 0) + 1;
  if (result.ambiguous) counts.ambiguous += 1;
}

/** Counts what the settle made of a delivery. */
export function countSettled(counts: Counts, settled: Settled): void {
  if (settled === 'told' || settled === 'again') counts.acknowledged += 1;
  if (settled !== 'told' && settled !== 'retry') counts[settled] += 1;
}
