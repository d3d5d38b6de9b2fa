import type { Member } from '../member.ts';

/** How the founders of a network get to know each other. */
export interface Knowledge {
  /** Counts that somebody has an entry about `uuid` that it did not have before. */
  learned(observer: Member, uuid: string): void;
  /** The share of pairs that know each other, from 0 to 1. */
  readonly share: number;
  /** When the last pair did. */
  readonly completeMs: number | undefined;
}

/** Whether all know all of those who were there at the start; what poisoners know does not matter. */
export function createKnowledge(
  founders: readonly Member[],
  { nowMs, onComplete }: { nowMs: () => number; onComplete: () => void },
): Knowledge {
  const uuids = new Set<string>(founders.map(({ uuid }) => uuid));
  const observers = new Set(founders.filter(({ poisons }) => !poisons));
  const wanted = observers.size * (founders.length - 1);
  let pairs = 0;
  let completeMs: number | undefined;
  return {
    learned(observer, uuid) {
      if (!observers.has(observer) || !uuids.has(uuid)) return;
      pairs += 1;
      if (pairs < wanted) return;
      completeMs = nowMs();
      onComplete();
    },
    get share() {
      return pairs / wanted;
    },
    get completeMs() {
      return completeMs;
    },
  };
}
