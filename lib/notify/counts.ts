import type { Backlog, Result, Settled } from '../store/deliveries.ts';

export function newCounts() {
  const failed: Record<string, number> = {};
  return {
    /** Leased to this drain. */
    claimed: 0,
    /** Acknowledged the address that was current then. */
    acknowledged: 0,
    /** Of these, to be told once more because an older address may still arrive. */
    again: 0,
    /** Acknowledged at an address that was no longer the producer's, and due at once. */
    moved: 0,
    /** Told an epoch that has passed in the meantime, whatever came of it, and due at once. */
    older: 0,
    /** Failed attempts by class: `timeout`, `refused`, …, `status` for an HTTP status, `bad-address`. */
    failed,
    /** Failed attempts that may still arrive. */
    ambiguous: 0,
    /** Handed back without an attempt. */
    released: 0,
    /** Settled in vain: the delivery was no longer ours, or the settle had run before. */
    stale: 0,
    /** Postponed because `producers` does not hold them. */
    missing: 0,
    /** Put off before any attempt, because their uuid or address can be nobody's. */
    unusable: 0,
  };
}

/** What a drain did, in counts of deliveries. The backlog is absent if Redis was not heard in the end. */
export type Counts = ReturnType<typeof newCounts> & Partial<Backlog>;

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
