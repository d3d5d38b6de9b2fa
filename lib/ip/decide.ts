import type { Ip } from '../peers/ip-space.ts';
import type { Register } from './register.ts';
import type { Vote } from './vote.ts';

/** A return to the previous address within 10 minutes of the last change is as doubtful as a contested one. */
export const RETURN_WINDOW_MS = 600_000;

/** What of the register the judgement needs. */
export type Known = Pick<Register, 'current' | 'previous' | 'since'>;

/**
 * What one look at the sources came to.
 *
 * - `voice`: most answers report the current address, but fewer operators than the quorum.
 * - `quorum`: at least the quorum of operators, and a strict majority of the answers, report the current address.
 * - `new`: the same, but they report another address. It is `contested` if an operator still reports the current one,
 *   and `returning` if it is the previous one within `RETURN_WINDOW_MS` of the last change.
 * - `unknown`: everything else. A failure to find out is never a change.
 */
export type Look = { readonly kind: 'voice' | 'quorum' | 'unknown' } | NewAddress;

export interface NewAddress {
  readonly kind: 'new';
  readonly ip: Ip;
  readonly contested: boolean;
  readonly returning: boolean;
}

/**
 * The result of one check. `counts` is one of the three checks that a contested or returning address needs. How many
 * there were before is in Redis, and only the script that records the check may read it: another check may have been
 * recorded since this one read the register.
 */
export type Verdict =
  | { readonly kind: 'voice' | 'quorum' | 'unknown' }
  | { readonly kind: 'counts' | 'change'; readonly ip: Ip };

/**
 * What each operator says. Several services of one operator are one vote. An operator is left out if its services
 * contradict each other, or if none of them answered.
 */
export function tally(votes: readonly Vote[]): ReadonlyMap<string, Ip> {
  const answers = new Map<string, Ip>();
  const contradicting = new Set<string>();
  for (const vote of votes) {
    if (vote.kind !== 'ip') continue;
    const before = answers.get(vote.operator);
    if (before !== undefined && before !== vote.ip) contradicting.add(vote.operator);
    answers.set(vote.operator, vote.ip);
  }
  for (const operator of contradicting) answers.delete(operator);
  return answers;
}

/**
 * Whether one voice is enough to begin with: it keeps the current address. All sources are asked
 * - while there is no address;
 * - while a candidate is set: one stale source that comes round every third check could hold a change up for ever;
 * - while fewer operators answer than `quorum`: one voice would hide that the others are back.
 */
export function mayAskOne(
  { current, candidate, answering }: Pick<Register, 'current' | 'candidate' | 'answering'>,
  quorum: number,
): boolean {
  return current !== undefined && candidate === undefined && (answering === undefined || answering >= quorum);
}

/** Judges the votes of one look in which all sources were asked. `nowMs` is Redis's time. */
export function judge(votes: readonly Vote[], known: Known, quorum: number, nowMs: number): Look {
  const answers = tally(votes);
  const winner = strictMajority(answers);
  if (winner === undefined) return { kind: 'unknown' };

  const operators = [...answers.values()].filter((ip) => ip === winner).length;
  if (winner === known.current) return { kind: operators >= quorum ? 'quorum' : 'voice' };
  if (operators < quorum) return { kind: 'unknown' };
  return {
    kind: 'new',
    ip: winner,
    contested: [...answers.values()].some((ip) => ip === known.current),
    returning:
      winner === known.previous &&
      known.since !== undefined &&
      Math.abs(nowMs - known.since) < RETURN_WINDOW_MS,
  };
}

/**
 * Whether a second look, 3 s later, is enough to believe a new address: nobody contests it, and it was not ours just
 * before.
 */
export function needsSecondLook({ contested, returning }: NewAddress): boolean {
  return !contested && !returning;
}

/** The verdict of a check that looked once. An address that needs a second look and did not get it is unknown. */
export function verdictOf(look: Look): Verdict {
  if (look.kind !== 'new') return look;
  return needsSecondLook(look) ? { kind: 'unknown' } : { kind: 'counts', ip: look.ip };
}

/**
 * The verdict of a check that looked twice. It is a change only if both looks show the same new address with quorum and
 * majority. If somebody contests it in the second look, the check is one of three. Two looks that contradict each other
 * are unknown.
 */
export function verdictOfTwo(first: NewAddress, second: Look): Verdict {
  if (second.kind !== 'new' || second.ip !== first.ip) return { kind: 'unknown' };
  return needsSecondLook(second) ? { kind: 'change', ip: second.ip } : verdictOf(second);
}

/** The address that more than half of the operators report, if there is one. */
export function strictMajority(answers: ReadonlyMap<string, Ip>): Ip | undefined {
  const counts = new Map<Ip, number>();
  for (const ip of answers.values()) counts.set(ip, (counts.get(ip) ?? 0) + 1);
  for (const [ip, count] of counts) if (count * 2 > answers.size) return ip;
  return undefined;
}
