import { parseDays } from '../lib/store/days.ts';

/** What a day was like at its worst: nothing known, all well, something failed or changed, dead or not told for long. */
const DAY_WORDS = ['unknown', 'well', 'impaired', 'bad'] as const;
export type DayWord = (typeof DAY_WORDS)[number];

/** Days of one consumer, or of this one: the oldest first, 90 at most. */
export interface DayHistory {
  /** The last of them, in days since the epoch (UTC). */
  readonly lastDay: number;
  readonly days: readonly DayWord[];
}

/** Puts the digits of a value into words. Anything that is no value has no history. Never throws. */
export function decodeDays(value: unknown): DayHistory | undefined {
  const { lastDay, digits } = parseDays(value) ?? {};
  if (lastDay === undefined || digits === undefined) return undefined;
  return { lastDay, days: Array.from(digits, (digit) => DAY_WORDS[Number(digit)] ?? 'unknown') };
}
