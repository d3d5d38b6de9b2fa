import type { Log } from '../../lib/host.ts';
import type { RoundSummary } from '../../lib/sync/summary.ts';

/** What the rounds of all members came to. */
export interface Rounds {
  readonly run: number;
  readonly probes: number;
  readonly candidateProbes: number;
  readonly promoted: number;
  readonly moved: number;
  readonly inconclusive: number;
  /** Rounds that did not walk all pages, by the reason. */
  readonly stopped: Readonly<Record<string, number>>;
  readonly longestMs: number;
  /** Warnings and errors that rounds logged. There should be none. */
  readonly complaints: Readonly<Record<string, number>>;
}

export interface RoundCounter {
  readonly rounds: Rounds;
  readonly log: Log;
  count(summary: RoundSummary): void;
}

export function createRoundCounter(): RoundCounter {
  const stopped: Record<string, number> = {};
  const complaints: Record<string, number> = {};
  const rounds = {
    run: 0,
    probes: 0,
    candidateProbes: 0,
    promoted: 0,
    moved: 0,
    inconclusive: 0,
    stopped,
    longestMs: 0,
    complaints,
  };
  const complain = (message: string) => {
    complaints[message] = (complaints[message] ?? 0) + 1;
  };
  return {
    rounds,
    log: { debug: () => {}, info: () => {}, warn: complain, error: complain },
    count(summary) {
      rounds.run += 1;
      rounds.longestMs = Math.max(rounds.longestMs, summary.durationMs);
      for (const name of ['probes', 'candidateProbes', 'promoted', 'moved'] as const)
        rounds[name] += summary[name];
      if (summary.inconclusive) rounds.inconclusive += 1;
      if (summary.stopped !== undefined) stopped[summary.stopped] = (stopped[summary.stopped] ?? 0) + 1;
    },
  };
}
