import type { Host } from '../host.ts';
import type { Ip } from '../peers/ip-space.ts';
import {
  judge,
  mayAskOne,
  needsSecondLook,
  strictMajority,
  tally,
  type Verdict,
  verdictOf,
  verdictOfTwo,
} from './decide.ts';
import type { Register } from './register.ts';
import type { Source, Vote } from './vote.ts';

/** Between the two looks at a new address that nobody contests. */
export const SECOND_LOOK_MS = 3_000;

/** What the sources were asked and what it came to. */
export interface Observation {
  readonly verdict: Verdict;
  /** Of the last look. */
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
 * Asks the sources: one, whose turn the ticket says it is, and if that does not settle it, all (the one that has
 * just answered keeps its vote); a new address that nobody contests is looked at once more, 3 s later, by asking all
 * again. When `signal` aborts it ends early, and what it answers is unknown or rests on complete votes. Never
 * throws.
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
  const once = { votes, asked: sources.length, answering: tally(votes).size };
  if (first.kind !== 'new' || !needsSecondLook(first)) return { verdict: verdictOf(first), ...once };

  await host.sleep(SECOND_LOOK_MS, signal);
  if (signal.aborted) return { verdict: { kind: 'unknown' }, ...once };
  const again = await askAll(sources, signal);
  const second = judge(again, register, quorum, nowMs());
  return {
    verdict: verdictOfTwo(first, second),
    votes: again,
    asked: 2 * sources.length,
    answering: tally(again).size,
  };
}

/** All votes, in the order of the sources. `early` stands for the source that gave it. */
function askAll(sources: readonly Source[], signal: AbortSignal, early?: Vote): Promise<Vote[]> {
  return Promise.all(sources.map((source) => (source.id === early?.source ? early : source.ask(signal))));
}

/**
 * The address that a `dns:` source names, and the one that most `https://` sources see, where they differ: then peers
 * that look the name up and peers that we call would know this host by different addresses.
 */
export function dnsDisagreement(
  votes: readonly Vote[],
  sources: readonly Source[],
): { readonly named: Ip; readonly seen: Ip } | undefined {
  const kinds = new Map(sources.map(({ id, kind }) => [id, kind]));
  const seen = strictMajority(tally(votes.filter(({ source }) => kinds.get(source) === 'http')));
  if (seen === undefined) return undefined;
  for (const vote of votes) {
    if (vote.kind === 'ip' && kinds.get(vote.source) === 'dns' && vote.ip !== seen)
      return { named: vote.ip, seen };
  }
  return undefined;
}
