import type { Facts } from './facts.ts';
import { isBudgeted, JUDGED_ROUNDS } from './read/rounds.ts';
import { isStale } from './read/stale.ts';
import { plural, tallyText } from './text/count.ts';
import { duration, relative } from './text/time.ts';

/**
 * `ok`: everything that is to be known is known, is recent, and is as it should be. `attention`: something is wrong.
 * `unknown`: nothing is known to be wrong, but something that matters is not known, or too old.
 */
export type Verdict = 'ok' | 'attention' | 'unknown';

/** One thing that keeps all from being well. */
export interface Reason {
  readonly verdict: Exclude<Verdict, 'ok'>;
  /** What it is, for programs: it stays the same while figures change. */
  readonly code: ReasonCode;
  /** In at most 44 characters, for a headline. */
  readonly title: string;
  /** In a sentence, with its figures. */
  readonly text: string;
}

/** Everything that a reason may be about, the most important first: so reasons are ordered. */
export const REASON_CODES = [
  'redis-unavailable',
  'redis-foreign',
  'nothing-has-run',
  'redis-types',
  'register-fields',
  'producers-overdue',
  'producers-not-told',
  'own-network',
  'no-checks',
  'no-address',
  'unconfirmed',
  'few-sources',
  'flapping',
  'seen-elsewhere',
  'not-reached',
  'no-rounds',
  'unfinished-rounds',
  'lost-shards',
  'no-consumers',
  'none-answers',
  'none-callable',
  'consumers-unknown',
] as const;
export type ReasonCode = (typeof REASON_CODES)[number];

/** Deliveries of a change are on their way for so long before they are worth a word. */
const ON_THEIR_WAY_MS = 60_000;
/** That a return waits is said once a day, so it is over where it was not said for longer. */
const FLAPPING_MS = 86_400_000;
/** Fewer voices of peers say nothing: they may lie. */
const LEAST_VOICES = 4;

/** What keeps all from being well; empty if all is. What is wrong comes before what is unknown. Pure. */
export function reasonsOf(facts: Facts): Reason[] {
  const rank = ({ verdict, code }: Reason) =>
    (verdict === 'attention' ? 0 : 100) + REASON_CODES.indexOf(code);
  return [
    ...ofRedis(facts),
    ...ofAddress(facts),
    ...ofProducers(facts),
    ...ofMirror(facts),
    ...ofRounds(facts),
    ...ofConsumers(facts),
  ].sort((a, b) => rank(a) - rank(b));
}

/** The verdict that the reasons come to. */
export function verdictOf(reasons: readonly Reason[]): Verdict {
  return reasons[0]?.verdict ?? 'ok';
}

const attention = (code: ReasonCode, title: string, text: string): Reason => ({
  verdict: 'attention',
  code,
  title,
  text,
});
const unknown = (code: ReasonCode, title: string, text: string): Reason => ({
  verdict: 'unknown',
  code,
  title,
  text,
});

function ofRedis({ wrongTypes, poisoned }: Facts): Reason[] {
  const reasons: Reason[] = [];
  if (wrongTypes.length > 0) {
    const keys = wrongTypes.length === 1 ? 'The key' : 'The keys';
    const hold = wrongTypes.length === 1 ? 'holds another type than ours' : 'hold other types than ours';
    reasons.push(
      attention(
        'redis-types',
        'A key in Redis has the wrong type',
        `${keys} ${wrongTypes.join(', ')} in Redis ${hold}. \`doctor\` says what to do.`,
      ),
    );
  }
  if (poisoned.length > 0) {
    reasons.push(
      attention(
        'register-fields',
        'The register holds what cannot be used',
        `Fields of the register in Redis cannot be used: ${poisoned.join(', ')}.`,
      ),
    );
  }
  return reasons;
}

function ofAddress(facts: Facts): Reason[] {
  const { nowMs, checkEveryMs, begun, register, quorum, operators } = facts;
  const { current, checkedAt, verifiedAt, unknownChecks, answering } = register;
  if (!begun && checkedAt === undefined) {
    return [
      unknown('nothing-has-run', 'Nothing has run on this Redis yet', 'Nothing has run on this Redis yet.'),
    ];
  }
  if (isStale(checkedAt, checkEveryMs, nowMs)) {
    return [
      unknown(
        'no-checks',
        'The address is not being checked',
        `The address is not being checked: ${lately('check', checkedAt, checkEveryMs, nowMs)}.`,
      ),
    ];
  }
  const few = answering !== undefined && answering < quorum;
  const redundancy = few
    ? [
        attention(
          'few-sources',
          'A change of the address would go unnoticed',
          `A change of the address would not be noticed: ${answering} of ${plural(operators, 'source')} answered when all were asked last, and ${quorum} must agree. \`doctor\` asks each.`,
        ),
      ]
    : [];
  const troubles = [...redundancy, ...ofFlapping(facts)];
  if (current === undefined) {
    return [
      ...troubles,
      unknown('no-address', 'No address has been found yet', 'No address has been found yet.'),
    ];
  }
  if (!isStale(verifiedAt, checkEveryMs, nowMs)) return troubles;
  if (verifiedAt === undefined && unknownChecks === 0) {
    return [
      ...troubles,
      unknown('unconfirmed', 'The address is not confirmed yet', `No check has confirmed ${current} yet.`),
    ];
  }
  const when = verifiedAt === undefined ? '' : ` for ${duration(nowMs - verifiedAt)}`;
  return [
    ...troubles,
    unknown(
      'unconfirmed',
      'The address is not confirmed',
      `No check has confirmed ${current}${when}: ${plural(unknownChecks, 'check')} in a row found nothing out.`,
    ),
  ];
}

function ofFlapping({ nowMs, register }: Facts): Reason[] {
  const { current, recent, dampedAt } = register;
  const [former] = recent;
  if (dampedAt === undefined || Math.abs(nowMs - dampedAt) > FLAPPING_MS || former === undefined) return [];
  return [
    attention(
      'flapping',
      'The address goes to and fro',
      `The address goes to and fro between ${current} and ${former.ip}, and its returns wait up to an hour: are there two uplinks, or two hosts that use this Redis?`,
    ),
  ];
}

function ofProducers({ nowMs, register, producers }: Facts): Reason[] {
  const { due, overdue, first } = producers;
  if (due === 0) return [];
  if (overdue > 0) {
    return [
      attention(
        'producers-overdue',
        'Nobody is telling the producers',
        `${plural(overdue, 'delivery is', 'deliveries are')} overdue: nobody is telling producers.`,
      ),
    ];
  }
  const told = first.filter(({ state }) => state === 'again' || state === 'missing').length;
  const open = due - told;
  const failed = first.some(({ state }) => state === 'retrying' || state === 'unusable');
  const age = nowMs - (register.since ?? nowMs);
  if (open > 0 && (failed || age > ON_THEIR_WAY_MS)) {
    const who = plural(open, 'producer');
    return [
      attention(
        'producers-not-told',
        `${who} not told`,
        `${who} not told, ${duration(age)} after the change of the address.`,
      ),
    ];
  }
  return [];
}

/** Peers may lie, so that it takes a few, and more than half of them. */
function ofMirror({ mirror, register, nowMs, syncEveryMs }: Facts): Reason[] {
  if (mirror === undefined || isStale(mirror.at, syncEveryMs, nowMs)) return [];
  const { here, elsewhere, reached, unreached } = mirror;
  const reasons: Reason[] = [];
  if (here + elsewhere >= LEAST_VOICES && elsewhere > here) {
    reasons.push(
      attention(
        'seen-elsewhere',
        'Peers see our calls come from elsewhere',
        `${elsewhere} of ${plural(here + elsewhere, 'peer')} see our calls come from ${mirror.other ?? 'elsewhere'}, not from ${register.current ?? 'the address of the register'}: they call you there, where your consumer API may not be.`,
      ),
    );
  }
  if (reached + unreached >= LEAST_VOICES && unreached > reached) {
    reasons.push(
      attention(
        'not-reached',
        'Peers do not reach our consumer API',
        `${unreached} of ${plural(reached + unreached, 'peer')} did not reach our consumer API: is its port open and forwarded?`,
      ),
    );
  }
  return reasons;
}

function ofRounds({ nowMs, syncEveryMs, rounds, syncRuns, begun }: Facts): Reason[] {
  const [last, ...before] = rounds.slice(0, JUDGED_ROUNDS);
  // A round of a million consumers lasts longer than its period; it has its lease as long as it lasts.
  if (syncRuns && last === undefined) return [];
  if (last === undefined || (isStale(last.at, syncEveryMs, nowMs) && !syncRuns)) {
    if (!begun) return [];
    return [
      unknown(
        'no-rounds',
        'Consumers are not being called',
        `Consumers are not being called: ${lately('round', last?.at, syncEveryMs, nowMs)}.`,
      ),
    ];
  }
  const reasons: Reason[] = [];
  if (last.inconclusive) {
    reasons.push(
      attention(
        'own-network',
        'Our own network is down',
        `The last round, ${relative(last.at, nowMs)}, found our own network down.`,
      ),
    );
  } else if (before.length > 0 && [last, ...before].every((round) => !round.complete && !isBudgeted(round))) {
    const rounds = plural(before.length + 1, 'round');
    reasons.push(
      attention(
        'unfinished-rounds',
        'Rounds do not reach every consumer',
        `The last ${rounds} did not reach every consumer.`,
      ),
    );
  }
  if (last.shardsLost > 0) {
    reasons.push(
      attention(
        'lost-shards',
        'A part of the last round did not start',
        `${plural(last.shardsLost, 'shard')} of the last round could not be started.`,
      ),
    );
  }
  return reasons;
}

function ofConsumers({ begun, consumers, rounds, wrongTypes }: Facts): Reason[] {
  const { known, states, refused } = consumers;
  if (!begun && rounds.length === 0) return [];
  if (known === 0) {
    // Nothing can be counted in a key of another type, which has its reason already.
    if (wrongTypes.length > 0) return [];
    return [
      attention(
        'no-consumers',
        'No consumer is known',
        'No consumer is known: add one with `consumers add`.',
      ),
    ];
  }
  if (states === undefined) {
    return [
      unknown(
        'consumers-unknown',
        'The state of consumers is not known',
        'How the consumers are is not known: no complete round is recent.',
      ),
    ];
  }
  if (states.alive > 0) return [];
  if (states.unknown > 0) {
    return [
      unknown(
        'consumers-unknown',
        'The state of consumers is not known',
        'How the consumers are was found out too long ago.',
      ),
    ];
  }
  if (states.suspect + states.dead > 0) {
    return [
      attention(
        'none-answers',
        'No consumer answers',
        'No consumer answers: is it our network, or a firewall?',
      ),
    ];
  }
  if (states.unusable === known) {
    return [
      attention(
        'none-callable',
        'No consumer can be called',
        `No consumer can be called: ${tallyText(refused)}.`,
      ),
    ];
  }
  return [];
}

function lately(what: string, at: number | undefined, periodMs: number, nowMs: number): string {
  if (at === undefined) return `there was no ${what} yet`;
  const every = `one is due every ${duration(periodMs).replace(/\.0/, '')}`;
  if (at > nowMs) return `the last ${what} lies in the future; was Redis's clock set back?`;
  return `the last ${what} was ${relative(at, nowMs)}, ${every}`;
}
