import { decodeCandidate } from '../../../lib/sync/candidate.ts';
import { isNobodys } from '../address-space.ts';
import { KEYS, type Member } from '../member.ts';
import { netOf } from '../store/learn.ts';
import { describe, type Statistics } from './statistics.ts';

export interface PoisonResult {
  /** Entries of `consumers` that are false: of a uuid that nobody has, or of one at an address that it never had. */
  readonly falsePromotions: number;
  readonly falseMoves: number;
  /** The most candidates that anybody held after a round: in all, of one teacher, in one network of 256. */
  readonly mostCandidates: number;
  readonly mostOfTeacher: number;
  readonly mostInNet: number;
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
  const result = { falsePromotions: 0, falseMoves: 0, mostCandidates: 0, mostOfTeacher: 0, mostInNet: 0 };
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
      const held = boundsOf(member.store.fields(KEYS.candidates));
      for (const bound of ['mostCandidates', 'mostOfTeacher', 'mostInNet'] as const) {
        result[bound] = Math.max(result[bound], held[bound]);
      }
    },
    result: () => ({ ...result, extraProbes: describe(extraProbes) }),
  };
}

function boundsOf(candidates: ReadonlyMap<string, string>) {
  const ofTeacher = new Map<string, number>();
  const inNet = new Map<string, number>();
  const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const json of candidates.values()) {
    const candidate = decodeCandidate(json);
    if (candidate === undefined) continue;
    count(ofTeacher, candidate.from);
    count(inNet, netOf(candidate.address));
  }
  return {
    mostCandidates: candidates.size,
    mostOfTeacher: Math.max(0, ...ofTeacher.values()),
    mostInNet: Math.max(0, ...inNet.values()),
  };
}
