import type { Member } from '../member.ts';
import { describe, type Statistics } from './statistics.ts';

export interface SpreadResult {
  /** How long it took until the last one had it, ms. */
  readonly tookMs: Statistics | undefined;
  /** Those that were not through at the end, or that another event about the same member cut short. */
  readonly open: number;
  readonly cutShort: number;
}

/** How long it takes until everybody has caught up with something about one member. */
export interface Spread {
  /** It happens to `subject` now, and everyone of `among` has to catch up. */
  begin(subject: Member, among: readonly Member[], nowMs: number): void;
  /** `observer` has caught up with `subject`. */
  reached(observer: Member, subject: Member, nowMs: number): void;
  /** Nobody waits any more for one that has left, nor for what it had to tell. */
  left(member: Member, nowMs: number): void;
  result(): SpreadResult;
}

export function createSpread(): Spread {
  const open = new Map<Member, { readonly beganMs: number; readonly waiting: Set<Member> }>();
  const tookMs: number[] = [];
  let cutShort = 0;
  const end = (subject: Member) => {
    if (open.delete(subject)) cutShort += 1;
  };
  const reached = (observer: Member, subject: Member, nowMs: number) => {
    const spread = open.get(subject);
    if (spread === undefined || !spread.waiting.delete(observer) || spread.waiting.size > 0) return;
    open.delete(subject);
    tookMs.push(nowMs - spread.beganMs);
  };
  return {
    begin(subject, among, nowMs) {
      end(subject);
      open.set(subject, { beganMs: nowMs, waiting: new Set(among.filter((each) => each !== subject)) });
    },
    reached,
    left(member, nowMs) {
      end(member);
      for (const subject of [...open.keys()]) reached(member, subject, nowMs);
    },
    result: () => ({ tookMs: describe(tookMs), open: open.size, cutShort }),
  };
}
