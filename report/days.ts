import { KEPT_DAYS } from '../lib/store/days.ts';
import type { Answered } from '../lib/store/replies.ts';

/** What a day was like at its worst: nothing known, all well, something failed or changed, dead or not told for long. */
const DAY_WORDS = ['unknown', 'well', 'impaired', 'bad'] as const;
export type DayWord = (typeof DAY_WORDS)[number];

/** Days of one consumer, or of this one: the oldest first, 90 at most. */
export interface DayHistory {
  /** The last of them, in days since the epoch (UTC). */
  readonly lastDay: number;
  readonly days: readonly DayWord[];
}

/** Reads `<last day>:<a digit each>`. Anything else is no history. Never throws. */
export function decodeDays(text: Answered): DayHistory | undefined {
  if (typeof text !== 'string' || text.length > KEPT_DAYS + 10) return undefined;
  const [, lastDay, digits] = /^(\d{1,7}):([0-3]{1,90})$/.exec(text) ?? [];
  if (lastDay === undefined || digits === undefined) return undefined;
  return {
    lastDay: Number(lastDay),
    days: Array.from(digits, (digit) => DAY_WORDS[Number(digit)] ?? 'unknown'),
  };
}
