/** One outcome of a probe, as the last ones are kept. `busy` is an alive one that asked to be left alone. */
export type RecentOutcome = 'alive' | 'busy' | 'failed';

/** How many outcomes are kept. */
export const RECENT_OUTCOMES = 60;

const OUTCOMES = ['none', 'alive', 'busy', 'failed'] as const;
const PER_CHARACTER = 3;
const BITS = 2;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const LENGTH = RECENT_OUTCOMES / PER_CHARACTER;

/**
 * The last 60 outcomes in 20 characters: two bits each, three in a character of base64url, the newest last. What is not
 * there yet is 0, so that an empty history is all `A`. As a number it is shifted by one place for each outcome.
 */
export function pushOutcome(recent: string, outcome: RecentOutcome): string {
  const digits = isRecent(recent) ? recent : NO_OUTCOMES;
  let pushed = '';
  let carried = OUTCOMES.indexOf(outcome);
  for (let i = LENGTH - 1; i >= 0; i--) {
    const digit = DIGITS.indexOf(digits.charAt(i));
    pushed = DIGITS.charAt(((digit << BITS) & 63) | carried) + pushed;
    carried = digit >> 4;
  }
  return pushed;
}

/** The outcomes of `pushOutcome`, the oldest first. Anything that is none of its texts has none. */
export function readOutcomes(recent: string): RecentOutcome[] {
  return unpack(recent).flatMap((code) => {
    const outcome = OUTCOMES[code];
    return outcome === undefined || outcome === 'none' ? [] : [outcome];
  });
}

/** How many of the last 60 probes failed. Fast: whoever ranks 10,000 consumers asks it for each. */
export function countFailed(recent: string): number {
  if (!isRecent(recent)) return 0;
  let failed = 0;
  for (let i = 0; i < LENGTH; i++) failed += FAILED_IN.get(recent.charAt(i)) ?? 0;
  return failed;
}

export const NO_OUTCOMES = 'A'.repeat(LENGTH);

export function isRecent(text: string): boolean {
  return text.length === LENGTH && /^[\w-]+$/.test(text);
}

/** Each digit → how many of its three outcomes failed. */
const FAILED_IN: ReadonlyMap<string, number> = new Map(
  Array.from(DIGITS, (digit) => [digit, codesOf(digit).filter((code) => OUTCOMES[code] === 'failed').length]),
);

function unpack(recent: string): number[] {
  return Array.from(isRecent(recent) ? recent : NO_OUTCOMES).flatMap(codesOf);
}

function codesOf(character: string): number[] {
  const digit = DIGITS.indexOf(character);
  return [digit >> 4, (digit >> BITS) & 3, digit & 3];
}
