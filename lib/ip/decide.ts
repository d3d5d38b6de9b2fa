import type { Ip } from '../peers/ip-space.ts';
import type { Register } from './register.ts';
import type { Vote } from './sources.ts';

/** A return to the previous address within 10 minutes of the last change is as doubtful as a contested one. */
export const RETURN_WINDOW_MS = 600_000;

/** What of the register the judgement needs. */
export type Known = Pick<Register, 'current' | 'previous' | 'since'>;

/**
 * What the votes of one look, or a whole check, came to.
 *
 * - `voice`: most answers report the current address, but fewer operators than the quorum.
 * - `quorum`: at least the quorum of operators, and a strict majority of the answers, report the current address.
 * - `change`: the same, but they report another address. A second look, 3 s later, has to find it again.
 * - `counts`: the same, but an operator still reports the current address, or it is the previous one within
 *   `RETURN_WINDOW_MS` of the last change. Such an address needs three checks, and this is one. How many there were before
 *   is in Redis, and only the script that records the check may read it: another check may have been recorded since this
 *   one read the register.
 * - `unknown`: everything else. A failure to find out is never a change.
 */
export type Verdict =
  | { readonly kind: 'voice' | 'quorum' | 'unknown' }
  | { readonly kind: 'counts' | 'change'; readonly ip: Ip };

/**
 * What each operator says. Several services of one operator are one vote. An operator is left out if its services
 * contradict each other, or if none of them answered.
 */
export function answersOf(votes: readonly Vote[]): ReadonlyMap<string, Ip> {
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
export function judge(votes: readonly Vote[], known: Known, quorum: number, nowMs: number): Verdict {
  const answers = answersOf(votes);
  const winner = strictMajority(answers);
  if (winner === undefined) return { kind: 'unknown' };

  const said = [...answers.values()];
  const enough = said.filter((ip) => ip === winner).length >= quorum;
  if (winner === known.current) return { kind: enough ? 'quorum' : 'voice' };
  if (!enough) return { kind: 'unknown' };
  const contested = said.some((ip) => ip === known.current);
  const returning =
    winner === known.previous &&
    known.since !== undefined &&
    Math.abs(nowMs - known.since) < RETURN_WINDOW_MS;
  return { kind: contested || returning ? 'counts' : 'change', ip: winner };
}

/**
 * The verdict of a check that found a change and looked again: what the second look says of the same address. Two looks
 * that contradict each other are unknown.
 */
export function confirm(first: Ip, second: Verdict): Verdict {
  return 'ip' in second && second.ip === first ? second : { kind: 'unknown' };
}

/** The address that more than half of the operators report, if there is one. */
export function strictMajority(answers: ReadonlyMap<string, Ip>): Ip | undefined {
  const counts = new Map<Ip, number>();
  for (const ip of answers.values()) counts.set(ip, (counts.get(ip) ?? 0) + 1);
  for (const [ip, count] of counts) if (count * 2 > answers.size) return ip;
  return undefined;
}

/** Who voted what, as the history keeps it: JSON, source → address or the class of its failure. */
export function votesAsJson(votes: readonly Vote[]): string {
  return JSON.stringify(
    Object.fromEntries(votes.map((vote) => [vote.source, vote.kind === 'ip' ? vote.ip : vote.error])),
  );
}
