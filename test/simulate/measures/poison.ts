import type { Candidate } from '../../../lib/store/rounds.ts';
import { isNobodys } from '../address-space.ts';
import type { Member } from '../member.ts';
import { describe, type Statistics } from './statistics.ts';

export interface PoisonResult {
  /** Entries of `consumers` that are false: of a uuid that nobody has, or of one at an address that it never had. */
  readonly falsePromotions: number;
  readonly falseMoves: number;
  /** The most candidates that anybody held after a round: in all, and of one teacher. */
  readonly mostCandidates: number;
  readonly mostOfTeacher: number;
  /** Calls of one round to addresses at which nobody ever was. */
  readonly extraProbes: Statistics | undefined;
}

/** What poisoners achieved at those who are honest. */
export interface Poison {
  /** An entry of `consumers` was written. */
  noted(observer: Member, entry: { uuid: string; ip: string; before: string | undefined }): void;
  called(caller: Member, ip: string): void;
  /** A round of a member has ended. */
  roundEnded(member: Member): void;
  result(): PoisonResult;
}

export function createPoison(memberOf: (uuid: string) => Member | undefined): Poison {
  const result = { falsePromotions: 0, falseMoves: 0, mostCandidates: 0, mostOfTeacher: 0 };
  const extra = new Map<Member, number>();
  const extraProbes: number[] = [];
  return {
    noted(_, { uuid, ip, before }) {
      if (memberOf(uuid)?.had.has(ip)) return;
      result[before === undefined ? 'falsePromotions' : 'falseMoves'] += 1;
    },
    called(caller, ip) {
      if (isNobodys(ip)) extra.set(caller, (extra.get(caller) ?? 0) + 1);
    },
    roundEnded(member) {
      extraProbes.push(extra.get(member) ?? 0);
      extra.delete(member);
      const held = boundsOf([...member.database.candidates.values()]);
      for (const bound of ['mostCandidates', 'mostOfTeacher'] as const) {
        result[bound] = Math.max(result[bound], held[bound]);
      }
    },
    result: () => ({ ...result, extraProbes: describe(extraProbes) }),
  };
}

function boundsOf(candidates: readonly Candidate[]) {
  const ofTeacher = new Map<string, number>();
  for (const { from } of candidates) ofTeacher.set(from, (ofTeacher.get(from) ?? 0) + 1);
  return {
    mostCandidates: candidates.length,
    mostOfTeacher: Math.max(0, ...ofTeacher.values()),
  };
}
