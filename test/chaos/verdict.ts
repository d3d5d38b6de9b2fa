import type { Commit } from './commits.ts';
import type { Effect } from './producers.ts';

/** What a run must not show. Each is a count of producers, calls or moments at which a promise was broken. */
export interface Findings {
  /** A producer that was known at the last change, and answers where the API says, never got that change. */
  lost: number;
  /** An older address took effect after a newer one, although every request died in time. */
  outOfOrder: number;
  /** A producer that was known at the last change is left with another address. */
  wrong: number;
  /** A producer was called that had no delivery, or on a check that found nothing new. */
  uncalledFor: number;
  /** A request that is none of ours: another method, path or body, an address that the epoch did not have, or `/sync`. */
  foreign: number;
  /** A record with a lease that was not in `deliveries:due`, or an epoch that did not grow. */
  brokenState: number;
  /** A handler failed although nothing was wrong, refused its event, or ended by itself. */
  brokenRuns: number;
  /** All was well again, and still something was due or the address was not the true one. */
  unhealed: number;
}

export const NO_FINDINGS: Findings = {
  lost: 0,
  outOfOrder: 0,
  wrong: 0,
  uncalledFor: 0,
  foreign: 0,
  brokenState: 0,
  brokenRuns: 0,
  unhealed: 0,
};

export interface Judged {
  readonly uuid: string;
  /** Whether `producers` holds it in the end. It answers there. */
  readonly listed: boolean;
  readonly effects: readonly Effect[];
}

export interface Verdict {
  readonly lost: readonly string[];
  readonly wrong: readonly string[];
  /** One entry for each older address after a newer one. */
  readonly outOfOrder: readonly string[];
  /** Epochs that a producer took note of again. */
  readonly duplicates: number;
  /** Effects whose address is not the one of their epoch. */
  readonly foreign: number;
}

/** Judges the whole history of all producers. `truth` is the address in the end. Pure. */
export function judge(producers: readonly Judged[], commits: readonly Commit[], truth: string): Verdict {
  const last = commits.at(-1);
  const ips = new Map(commits.map(({ epoch, ip }) => [epoch, ip]));
  const owed = producers.filter(({ uuid, listed }) => listed && last?.owed.has(uuid));
  return {
    lost: owed.filter(({ effects }) => !effects.some(({ epoch }) => epoch === last?.epoch)).map(uuidOf),
    wrong: owed.filter(({ effects }) => effects.length > 0 && effects.at(-1)?.ip !== truth).map(uuidOf),
    outOfOrder: producers.flatMap((producer) => backward(producer.effects).map(() => producer.uuid)),
    duplicates: producers.reduce((sum, { effects }) => sum + repeats(effects), 0),
    foreign: producers
      .flatMap(({ effects }) => effects)
      .filter(({ epoch, ip }) => ips.has(epoch) && ips.get(epoch) !== ip).length,
  };
}

const uuidOf = ({ uuid }: Judged) => uuid;

/** Effects that are older than one before them. */
function backward(effects: readonly Effect[]): readonly Effect[] {
  let newest = 0;
  return effects.filter(({ epoch }) => {
    const older = epoch < newest;
    newest = Math.max(newest, epoch);
    return older;
  });
}

function repeats(effects: readonly Effect[]): number {
  return effects.length - new Set(effects.map(({ epoch }) => epoch)).size;
}
