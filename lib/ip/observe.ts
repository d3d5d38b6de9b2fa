import type { Host } from '../host.ts';
import type { Ip } from '../peers/ip-space.ts';
import { answersOf, confirm, judge, mayAskOne, strictMajority, type Verdict } from './decide.ts';
import type { Register } from './register.ts';
import type { Source, Vote } from './sources.ts';

/** The time between the two looks at a new address that nobody contests. */
export const SECOND_LOOK_MS = 3_000;

/** The result of asking the sources. */
export interface Observation {
  readonly verdict: Verdict;
  /** The votes of the last look. */
  readonly votes: readonly Vote[];
  /** How often a source was asked. */
  readonly asked: number;
  /** How many operators answered the last time that all were asked; undefined if they were not. */
  readonly answering: number | undefined;
}

/** What an observation needs beside the register. `nowMs` is Redis's time. */
export interface ObserveParts {
  readonly sources: readonly Source[];
  readonly quorum: number;
  readonly host: Pick<Host, 'sleep'>;
  nowMs(): number;
}

/**
 * Asks the sources. First one of them; the ticket says whose turn it is. If that does not settle it, all are asked, and
 * the one that has just answered keeps its vote. If they report a new address that nobody contests, all are asked once
 * more, 3 s later.
 *
 * When `signal` aborts it ends early; its verdict is then `unknown`, or rests on complete votes. Never throws.
 */
export async function observe(
  register: Register,
  { sources, quorum, host, nowMs }: ObserveParts,
  signal: AbortSignal,
): Promise<Observation> {
  const whose = sources[register.ticket % sources.length];
  let early: Vote | undefined;
  if (whose !== undefined && mayAskOne(register, quorum)) {
    early = await whose.ask(signal);
    if (early.kind === 'ip' && early.ip === register.current) {
      return { verdict: { kind: 'voice' }, votes: [early], asked: 1, answering: undefined };
    }
  }

  const votes = await askAll(sources, signal, early);
  const first = judge(votes, register, quorum, nowMs());
  const once = { votes, asked: sources.length, answering: answersOf(votes).size };
  if (first.kind !== 'change') return { verdict: first, ...once };

  await host.sleep(SECOND_LOOK_MS, signal);
  if (signal.aborted) return { verdict: { kind: 'unknown' }, ...once };
  const again = await askAll(sources, signal);
  return {
    verdict: confirm(first.ip, judge(again, register, quorum, nowMs())),
    votes: again,
    asked: 2 * sources.length,
    answering: answersOf(again).size,
  };
}

/** Asks all sources but the one that gave `early`. Answers all votes in the order of the sources. */
function askAll(sources: readonly Source[], signal: AbortSignal, early?: Vote): Promise<Vote[]> {
  return Promise.all(sources.map((source) => (source.id === early?.source ? early : source.ask(signal))));
}

/**
 * Where a `dns:` source names another address than most `https://` sources see: both addresses. Peers that look the name
 * up and peers that we call would then know this host by different addresses.
 */
export function dnsDisagreement(
  votes: readonly Vote[],
  sources: readonly Source[],
): { readonly named: Ip; readonly seen: Ip } | undefined {
  const kinds = new Map(sources.map(({ id, kind }) => [id, kind]));
  const seen = strictMajority(answersOf(votes.filter(({ source }) => kinds.get(source) === 'http')));
  if (seen === undefined) return undefined;
  for (const vote of votes) {
    if (vote.kind === 'ip' && kinds.get(vote.source) === 'dns' && vote.ip !== seen)
      return { named: vote.ip, seen };
  }
  return undefined;
}
