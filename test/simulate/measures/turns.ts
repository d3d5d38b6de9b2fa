import type { Member } from '../member.ts';

/** Whether everybody gets its turn: how long one that lives goes without a call of one that knows it. */
export interface Turns {
  /** From now on `observer` owes `subject` calls. */
  learned(observer: Member, subject: Member): void;
  knows(observer: Member, subject: Member): boolean;
  /** `observer` owes `subject` none any more. */
  excuse(observer: Member, subject: Member): void;
  called(observer: Member, subject: Member): void;
  /** The longest wait that has ended, or that has lasted until `endMs` for pairs that are still there, ms. */
  longestMs(endMs: number): number;
}

export function createTurns(nowMs: () => number): Turns {
  const calls = new Map<Member, Map<Member, number>>();
  let longest = 0;
  const of = (observer: Member) => {
    const last = calls.get(observer) ?? new Map<Member, number>();
    calls.set(observer, last);
    return last;
  };
  return {
    learned(observer, subject) {
      if (!of(observer).has(subject)) of(observer).set(subject, nowMs());
    },
    knows: (observer, subject) => of(observer).has(subject),
    excuse: (observer, subject) => void of(observer).delete(subject),
    called(observer, subject) {
      const last = of(observer);
      const before = last.get(subject);
      if (before === undefined) return;
      longest = Math.max(longest, nowMs() - before);
      last.set(subject, nowMs());
    },
    longestMs(endMs) {
      for (const [observer, last] of calls) {
        if (observer.goneMs !== undefined) continue;
        for (const [subject, ms] of last) {
          if (subject.goneMs === undefined) longest = Math.max(longest, endMs - ms);
        }
      }
      return longest;
    },
  };
}
