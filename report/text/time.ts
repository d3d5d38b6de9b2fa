const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The largest time that a Date can hold; what Redis holds may be larger. */
const LATEST = 8.64e15;

/** A length of time in the words of a sentence: `64 ms`, `1.4 s`, `41 s`, `12 min`, `3 h`, `5 days`. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < 2 * MINUTE) return `${Math.round(ms / SECOND)} s`;
  if (ms < 2 * HOUR) return `${Math.round(ms / MINUTE)} min`;
  if (ms < 2 * DAY) return `${Math.round(ms / HOUR)} h`;
  return `${Math.round(ms / DAY)} days`;
}

/** The same for a table: at most five columns. */
export function shortDuration(ms: number): string {
  if (ms < 100 * SECOND) return `${Math.round(Math.max(0, ms) / SECOND)}s`;
  if (ms < 100 * MINUTE) return `${Math.round(ms / MINUTE)}m`;
  if (ms < 48 * HOUR) return `${Math.round(ms / HOUR)}h`;
  return `${Math.min(9_999, Math.round(ms / DAY))}d`;
}

/** How long ago, or in how long: `41 s ago`, `in 12 min`, `just now`. */
export function relative(at: number, now: number): string {
  const ms = now - at;
  if (Math.abs(ms) < SECOND) return 'just now';
  const whole = duration(Math.max(SECOND, Math.abs(ms)));
  return ms > 0 ? `${whole.replace(/\.\d/, '')} ago` : `in ${whole.replace(/\.\d/, '')}`;
}

/** A point in time by UTC, to the second: `2026-11-21 09:14:03Z`. */
export function stamp(at: number): string {
  if (!(Math.abs(at) <= LATEST)) return 'no valid time';
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
