import type { Facts } from './facts.ts';
import { isBudgeted, JUDGED_ROUNDS } from './read/rounds.ts';
import { isStale } from './read/stale.ts';
import { byImportance, type Reason, reason, type Verdict } from './reasons.ts';
import { plural, tallyText } from './text/count.ts';
import { duration, relative } from './text/time.ts';
import { outdatedMirrorWords, STOPS, unknownChecksWords } from './words.ts';

/** Deliveries of a change are on their way for so long before they are worth a word. */
const ON_THEIR_WAY_MS = 60_000;
/** That a return waits is said once a day, so it is over where it was not said for longer. */
const FLAPPING_MS = 86_400_000;
/** Fewer voices of peers say nothing: they may lie. */
const LEAST_VOICES = 4;

/** What keeps all from being well; empty if all is. What is wrong comes before what is unknown. Pure. */
export function reasonsOf(facts: Facts): Reason[] {
  return [
    ...ofRedis(facts),
    ...ofAddress(facts),
    ...ofProducers(facts),
    ...ofMirror(facts),
    ...ofRounds(facts),
    ...ofConsumers(facts),
  ].sort(byImportance);
}

/** The verdict that the reasons come to. */
export function verdictOf(reasons: readonly Reason[]): Verdict {
  return reasons[0]?.verdict ?? 'ok';
}

function* ofRedis({ wrongTypes, poisoned }: Facts): Iterable<Reason> {
  if (wrongTypes.length > 0) {
    const keys = wrongTypes.length === 1 ? 'The key' : 'The keys';
    const hold = wrongTypes.length === 1 ? 'holds another type than ours' : 'hold other types than ours';
    yield reason(
      'redis-types',
      `${keys} ${wrongTypes.join(', ')} in Redis ${hold}. \`doctor\` says what to do.`,
    );
  }
  if (poisoned.length > 0) {
    yield reason(
      'register-fields',
      `Fields of the register in Redis cannot be used: ${poisoned.join(', ')}.`,
    );
  }
}

function* ofAddress(facts: Facts): Iterable<Reason> {
  const { nowMs, checkEveryMs, begun, register, quorum, operators } = facts;
  const { current, checkedAt, verifiedAt, unknownChecks, answering } = register;
  if (!begun && checkedAt === undefined) {
    yield reason(
      'nothing-has-run',
      'Nothing has run on this Redis yet: start the scheduler. `doctor` says whether it is set up right.',
    );
    return;
  }
  if (isStale(checkedAt, checkEveryMs, nowMs)) {
    yield reason(
      'no-checks',
      `The address is not being checked: ${lately('check', checkedAt, checkEveryMs, nowMs)}.`,
    );
    return;
  }
  if (answering !== undefined && answering < quorum) {
    yield reason(
      'few-sources',
      `A change of the address would not be noticed: ${answering} of ${plural(operators, 'source')} answered when all were asked last, and ${quorum} must agree. \`doctor\` asks each.`,
    );
  }
  yield* ofFlapping(facts);
  if (current === undefined) {
    yield reason('no-address', 'No address has been found yet.');
  } else if (isStale(verifiedAt, checkEveryMs, nowMs)) {
    if (verifiedAt === undefined && unknownChecks === 0) {
      yield reason(
        'unconfirmed',
        `No check has confirmed ${current} yet.`,
        'The address is not confirmed yet',
      );
      return;
    }
    const when = verifiedAt === undefined ? '' : ` for ${duration(nowMs - verifiedAt)}`;
    yield reason(
      'unconfirmed',
      `No check has confirmed ${current}${when}: ${unknownChecksWords(unknownChecks)}.`,
    );
  }
}

function* ofFlapping({ nowMs, register }: Facts): Iterable<Reason> {
  const { current, recent, dampedAt } = register;
  const [former] = recent;
  if (dampedAt === undefined || Math.abs(nowMs - dampedAt) > FLAPPING_MS || former === undefined) return;
  yield reason(
    'flapping',
    `The address goes to and fro between ${current} and ${former.ip}, and its returns wait up to an hour: are there two uplinks, or two hosts that use this Redis?`,
  );
}

function* ofProducers({ nowMs, register, producers }: Facts): Iterable<Reason> {
  const { due, overdue, first } = producers;
  if (overdue > 0) {
    yield reason(
      'producers-overdue',
      `${plural(overdue, 'delivery is', 'deliveries are')} overdue: nobody is telling producers.`,
    );
    return;
  }
  const told = first.filter(({ state }) => state === 'again' || state === 'missing').length;
  const open = due - told;
  const failed = first.some(({ state }) => state === 'retrying' || state === 'unusable');
  const age = nowMs - (register.since ?? nowMs);
  if (open > 0 && (failed || age > ON_THEIR_WAY_MS)) {
    const who = plural(open, 'producer');
    const text = `${who} not told, ${duration(age)} after the change of the address.`;
    yield reason('producers-not-told', text, `${who} not told`);
  }
}

/** Peers may lie, so that it takes a few, and more than half of them. */
function* ofMirror(facts: Facts): Iterable<Reason> {
  const { mirror, register } = facts;
  if (mirror === undefined || outdatedMirrorWords(facts) !== undefined) return;
  const { here, elsewhere, reached, unreached } = mirror;
  if (here + elsewhere >= LEAST_VOICES && elsewhere > here) {
    yield reason(
      'seen-elsewhere',
      `${elsewhere} of ${plural(here + elsewhere, 'peer')} see our calls come from ${mirror.other ?? 'elsewhere'}, not from ${register.current ?? 'the address of the register'}: they call you there, where your consumer API may not be.`,
    );
  }
  if (reached + unreached >= LEAST_VOICES && unreached > reached) {
    yield reason(
      'not-reached',
      `${unreached} of ${plural(reached + unreached, 'peer')} did not reach our consumer API: is its port open and forwarded?`,
    );
  }
}

function* ofRounds({ nowMs, syncEveryMs, rounds, syncRuns, begun, wrongTypes }: Facts): Iterable<Reason> {
  const [last, ...before] = rounds.slice(0, JUDGED_ROUNDS);
  // A round of a million consumers lasts longer than its period; it has its lease as long as it lasts.
  if (last === undefined && (syncRuns || wrongTypes.length > 0)) return;
  if (last === undefined || (isStale(last.at, syncEveryMs, nowMs) && !syncRuns)) {
    if (begun) {
      const when = lately('round', last?.at, syncEveryMs, nowMs);
      yield reason('no-rounds', `Consumers are not being called: ${when}.`);
    }
    return;
  }
  if (last.inconclusive) {
    yield reason('own-network', `The last round, ${relative(last.at, nowMs)}, found our own network down.`);
  } else if (before.length > 0 && [last, ...before].every((round) => !round.complete && !isBudgeted(round))) {
    const rounds = plural(before.length + 1, 'round');
    const words = [...new Set([last, ...before].flatMap(({ stopped }) => stopped))];
    const why = words.length === 0 ? '' : `: ${words.map((word) => STOPS[word]).join(', ')}`;
    const help = words.includes('time') ? ' docs/SCALING.md says what to set.' : '';
    yield reason('unfinished-rounds', `The last ${rounds} did not reach every consumer${why}.${help}`);
  }
  if (last.shardsLost > 0) {
    yield reason(
      'lost-shards',
      `${plural(last.shardsLost, 'shard')} of the last round could not be started.`,
    );
  }
}

function* ofConsumers({ begun, consumers, rounds, wrongTypes }: Facts): Iterable<Reason> {
  const { known, states, refused } = consumers;
  if (!begun && rounds.length === 0) return;
  // What is in a key of another type is not known, and the key has its reason already.
  if ((known === 0 || states === undefined) && wrongTypes.length > 0) return;
  if (known === 0) {
    yield reason('no-consumers', 'No consumer is known: add one with `consumers add`.');
  } else if (states === undefined) {
    yield reason(
      'consumers-unknown',
      'The states of the consumers are not known: no complete round is recent.',
    );
  } else if (states.alive > 0) {
    return;
  } else if (states.unknown > 0) {
    yield reason('consumers-unknown', 'The states of the consumers were found out too long ago.');
  } else if (states.suspect + states.dead > 0) {
    yield reason('none-answers', 'No consumer answers: is it our network, or a firewall?');
  } else if (states.unusable === known) {
    yield reason('none-callable', `No consumer can be called: ${tallyText(refused)}.`);
  }
}

function lately(what: string, at: number | undefined, periodMs: number, nowMs: number): string {
  const every = `one is due every ${duration(periodMs).replace(/\.0/, '')}`;
  if (at === undefined) return `there was no ${what} yet, ${every}`;
  if (at > nowMs) return `the last ${what} lies in the future; was Redis's clock set back?`;
  return `the last ${what} was ${relative(at, nowMs)}, ${every}`;
}
