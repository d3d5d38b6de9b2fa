import type { HealthRecord } from '../../../lib/store/health-record.ts';
import type { Member } from '../member.ts';
import type { Stretch } from '../network.ts';
import { describe, type Statistics } from './statistics.ts';

export interface VerdictsResult {
  /** From a member's end until another held it dead, over all pairs, ms. */
  readonly detectionMs: Statistics | undefined;
  /** Held dead although alive, at the right address, with a working network in between. */
  readonly falseDeaths: number;
  /** Held dead at an address that it had left. */
  readonly atOldAddress: number;
  /** Held dead across the partition, and while nobody's own network worked. */
  readonly acrossPartition: number;
  readonly inOutage: number;
  /** From the end of the partition until all who were held dead across it were held alive again, over all pairs, ms. */
  readonly healingMs: Statistics | undefined;
  readonly unhealed: number;
}

/** What the schedulers say about members, held against what is true. */
export interface Verdicts {
  /** A health record changes from or to dead. */
  changed(observer: Member, subject: Member, record: HealthRecord): void;
  /** The partition ends; `pairs` are those of whom one holds the other dead. */
  partitionEnds(pairs: Iterable<readonly [observer: Member, subject: Member]>): void;
  result(): VerdictsResult;
}

export function createVerdicts({
  nowMs,
  intervalMs,
  partition,
  outage,
}: {
  nowMs: () => number;
  intervalMs: number;
  partition: Stretch | undefined;
  outage: Stretch | undefined;
}): Verdicts {
  const detectionMs: number[] = [];
  const healingMs: number[] = [];
  const waiting = new Map<Member, Set<Member>>();
  const counts = { falseDeaths: 0, atOldAddress: 0, acrossPartition: 0, inOutage: 0 };

  // The three failures that make one dead lie in the last three rounds, and a round has a length.
  const wasDuring = (stretch: Stretch | undefined) =>
    stretch !== undefined && nowMs() - 3.5 * intervalMs < stretch.to && nowMs() >= stretch.from;
  const apart = (a: Member, b: Member) => a.index % 2 !== b.index % 2;

  const died = (observer: Member, subject: Member, { address }: HealthRecord) => {
    if (subject.goneMs !== undefined) detectionMs.push(nowMs() - Math.max(subject.goneMs, observer.joinedMs));
    else if (address !== subject.ip) counts.atOldAddress += 1;
    else if (wasDuring(outage)) counts.inOutage += 1;
    else if (wasDuring(partition) && apart(observer, subject)) counts.acrossPartition += 1;
    else counts.falseDeaths += 1;
  };

  return {
    changed(observer, subject, record) {
      if (record.state === 'dead') died(observer, subject, record);
      else if (waiting.get(observer)?.delete(subject) && partition !== undefined) {
        healingMs.push(nowMs() - partition.to);
      }
    },
    partitionEnds(pairs) {
      for (const [observer, subject] of pairs) {
        if (!apart(observer, subject)) continue;
        const subjects = waiting.get(observer) ?? new Set();
        waiting.set(observer, subjects.add(subject));
      }
    },
    result: () => ({
      ...counts,
      detectionMs: describe(detectionMs),
      healingMs: describe(healingMs),
      unhealed: [...waiting].reduce((sum, [, subjects]) => sum + subjects.size, 0),
    }),
  };
}
