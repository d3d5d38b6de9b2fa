/**
 * `ok`: everything that is to be known is known, is recent, and is as it should be. `attention`: something is wrong.
 * `unknown`: nothing is known to be wrong, but something that matters is not known, or too old.
 */
export type Verdict = 'ok' | 'attention' | 'unknown';

/**
 * Everything that can keep all from being well: the verdict that it comes to, and its title in at most 44 characters, for a
 * headline. The most important is first: so reasons are ordered.
 */
const REASONS = {
  'redis-unavailable': ['unknown', 'Redis cannot be asked'],
  'redis-foreign': ['unknown', 'This Redis is not known to be ours'],
  'nothing-has-run': ['unknown', 'Nothing has run on this Redis yet'],
  'redis-types': ['attention', 'A key in Redis has the wrong type'],
  'register-fields': ['attention', 'The register holds what cannot be used'],
  'producers-overdue': ['attention', 'Nobody is telling the producers'],
  'producers-not-told': ['attention', 'Producers are not told'],
  'own-network': ['attention', 'Our own network is down'],
  'no-checks': ['unknown', 'The address is not being checked'],
  'no-address': ['unknown', 'No address has been found yet'],
  unconfirmed: ['unknown', 'The address is not confirmed'],
  'few-sources': ['attention', 'A change of the address would go unnoticed'],
  flapping: ['attention', 'The address goes to and fro'],
  'seen-elsewhere': ['attention', 'Peers see our calls come from elsewhere'],
  'not-reached': ['attention', 'Peers do not reach our consumer API'],
  'no-rounds': ['unknown', 'Consumers are not being called'],
  'unfinished-rounds': ['attention', 'Rounds do not reach every consumer'],
  'lost-shards': ['attention', 'A part of the last round did not start'],
  'no-consumers': ['attention', 'No consumer is known'],
  'none-answers': ['attention', 'No consumer answers'],
  'none-callable': ['attention', 'No consumer can be called'],
  'consumers-unknown': ['unknown', 'The state of consumers is not known'],
} as const satisfies Record<string, readonly [Exclude<Verdict, 'ok'>, string]>;

/** What a reason is about, for programs: it stays the same while figures change. */
export type ReasonCode = keyof typeof REASONS;

/** One thing that keeps all from being well. */
export interface Reason {
  readonly verdict: Exclude<Verdict, 'ok'>;
  readonly code: ReasonCode;
  /** In at most 44 characters, for a headline. */
  readonly title: string;
  /** In a sentence, with its figures. */
  readonly text: string;
}

/** The codes of all reasons that there are, the most important first. */
export const REASON_CODES: readonly string[] = Object.keys(REASONS);

/** A reason of this kind; `title` where figures make it say more than the usual one. */
export function reason(code: ReasonCode, text: string, title: string = REASONS[code][1]): Reason {
  return { verdict: REASONS[code][0], code, title, text };
}

/** Orders reasons: what is wrong before what is unknown, then by importance. */
export function byImportance(a: Reason, b: Reason): number {
  const rank = ({ verdict, code }: Reason) =>
    (verdict === 'attention' ? 0 : 100) + REASON_CODES.indexOf(code);
  return rank(a) - rank(b);
}
