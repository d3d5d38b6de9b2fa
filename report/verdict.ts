import type { Facts } from './facts.ts';
import { isBudgeted } from './read/rounds.ts';
import { isStale } from './read/stale.ts';
import { plural, tallyText } from './text/count.ts';
import { duration, relative } from './text/time.ts';

/**
 * `ok`: everything that is to be known is known, is recent, and is as it should be. `attention`: something is wrong.
 * `unknown`: nothing is known to be wrong, but something that matters is not known, or too old.
 */
export type Verdict = 'ok' | 'attention' | 'unknown';

export interface Reason {
  readonly verdict: Exclude<Verdict, 'ok'>;
  readonly text: string;
}

/** Deliveries of a change are on their way for so long before they are worth a word. */
const ON_THEIR_WAY_MS = 60_000;

/** What keeps all from being well; empty if all is. The worst first. Pure. */
export function reasonsOf(facts: Facts): Reason[] {
  const reasons = [
    ...ofRedis(facts),
    ...ofAddress(facts),
    ...ofProducers(facts),
    ...ofRounds(facts),
    ...ofConsumers(facts),
  ];
  return [
    ...reasons.filter(({ verdict }) => verdict === 'attention'),
    ...reasons.filter(({ verdict }) => verdict === 'unknown'),
  ];
}

export function verdictOf(reasons: readonly Reason[]): Verdict {
  return reasons[0]?.verdict ?? 'ok';
}

const attention = (text: string): Reason => ({ verdict: 'attention', text });
const unknown = (text: string): Reason => ({ verdict: 'unknown', text });

function ofRedis({ wrongTypes, poisoned }: Facts): Reason[] {
  return [
    ...wrongTypes.map((key) => attention(`the key ${key} holds another type than ours; see doctor`)),
    ...(poisoned.length > 0
      ? [attention(`the register has fields that cannot be used: ${poisoned.join(', ')}`)]
      : []),
  ];
}

function ofAddress({ nowMs, checkEveryMs, begun, register }: Facts): Reason[] {
  const { current, checkedAt, verifiedAt, unknownChecks } = register;
  if (!begun && checkedAt === undefined) return [unknown('nothing has run on this Redis yet')];
  if (isStale(checkedAt, checkEveryMs, nowMs)) {
    return [unknown(`the address is not being checked: ${lately('check', checkedAt, checkEveryMs, nowMs)}`)];
  }
  if (current === undefined) return [unknown('no address has been found yet')];
  if (isStale(verifiedAt, checkEveryMs, nowMs)) {
    if (verifiedAt === undefined && unknownChecks === 0)
      return [unknown(`no check has confirmed ${current} yet`)];
    const when = verifiedAt === undefined ? '' : ` since ${relative(verifiedAt, nowMs).replace(' ago', '')}`;
    return [
      unknown(
        `${current} is unconfirmed${when}; ${plural(unknownChecks, 'check')} in a row found nothing out`,
      ),
    ];
  }
  return [];
}

function ofProducers({ nowMs, register, producers }: Facts): Reason[] {
  const { due, overdue, first } = producers;
  if (due === 0) return [];
  if (overdue > 0) {
    return [attention(`${plural(overdue, 'delivery', 'deliveries')} overdue: nobody is telling producers`)];
  }
  const told = first.filter(({ state }) => state === 'again' || state === 'missing').length;
  const open = due - told;
  const failed = first.some(({ state }) => state === 'retrying' || state === 'unusable');
  const age = nowMs - (register.since ?? nowMs);
  if (open > 0 && (failed || age > ON_THEIR_WAY_MS)) {
    return [attention(`${plural(open, 'producer')} not told, ${duration(age)} after the change`)];
  }
  return [];
}

function ofRounds({ nowMs, syncEveryMs, rounds, syncRuns, begun }: Facts): Reason[] {
  const [last, ...before] = rounds;
  // A round of a million consumers lasts longer than its period; it has its lease as long as it lasts.
  if (syncRuns && last === undefined) return [];
  if (last === undefined || (isStale(last.at, syncEveryMs, nowMs) && !syncRuns)) {
    if (!begun) return [];
    return [unknown(`consumers are not being called: ${lately('round', last?.at, syncEveryMs, nowMs)}`)];
  }
  const reasons: Reason[] = [];
  if (last.inconclusive) reasons.push(attention('the last round found our own network down'));
  else if (before.length > 0 && rounds.every((round) => !round.complete && !isBudgeted(round))) {
    reasons.push(attention(`the last ${plural(rounds.length, 'round')} did not reach every consumer`));
  }
  if (last.shardsLost > 0) reasons.push(attention('shards of the last round could not be started'));
  return reasons;
}

function ofConsumers({ begun, consumers, rounds }: Facts): Reason[] {
  const { known, states } = consumers;
  if (!begun && rounds.length === 0) return [];
  if (known === 0) return [attention('no consumer is known: add one')];
  if (states === undefined)
    return [unknown('how the consumers are is not known: no complete round is recent')];
  if (states.alive > 0) return [];
  if (states.unknown > 0) return [unknown('how the consumers are was found out too long ago')];
  if (states.suspect + states.dead > 0)
    return [attention('no consumer answers: is it our network, or a firewall?')];
  if (states.unusable > 0 && states.unusable + states.self === known) {
    return [attention(`no consumer can be called: ${tallyText({ unusable: states.unusable })}`)];
  }
  return [];
}

function lately(what: string, at: number | undefined, periodMs: number, nowMs: number): string {
  if (at === undefined) return `there was no ${what} yet`;
  const every = `one is due every ${duration(periodMs).replace(/\.0/, '')}`;
  if (at > nowMs) return `the last ${what} lies in the future; was Redis's clock set back?`;
  return `the last ${what} was ${relative(at, nowMs)}, ${every}`;
}
