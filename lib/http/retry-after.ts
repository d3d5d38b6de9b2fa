const SECONDS = /^\d+$/;
/** More is read as this, 300 years: still a whole number of milliseconds. */
const MOST_SECONDS = 9_999_999_999;
/** `Sun, 06 Nov 1994 08:49:37 GMT`. */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
/** `Sunday, 06-Nov-94 08:49:37 GMT`, obsolete. */
const RFC850_DATE = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) GMT$/;
/** `Sun Nov  6 08:49:37 1994`, obsolete. */
const ASCTIME_DATE = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}:\d{2}:\d{2}) (\d{4})$/;
const FIFTY_YEARS_MS = 50 * 365.25 * 86_400_000;

/**
 * How long a Retry-After asks to wait, in milliseconds from `nowWallMs`; undefined if it is in none of the forms of
 * RFC 9110 (10.2.3: seconds, or one of the three date forms of 5.6.7). A date that has passed is 0. The
 * caller knows how long it is willing to wait.
 */
export function parseRetryAfter(value: string | undefined, nowWallMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (SECONDS.test(value)) return Math.min(Number(value), MOST_SECONDS) * 1000;
  const at = parseHttpDate(value, nowWallMs);
  return at === undefined || Number.isNaN(at) ? undefined : Math.max(0, at - nowWallMs);
}

function parseHttpDate(value: string, nowWallMs: number): number | undefined {
  if (value.length > 40) return undefined;
  if (IMF_FIXDATE.test(value)) return Date.parse(value);
  const asctime = ASCTIME_DATE.exec(value);
  if (asctime !== null)
    return Date.parse(`${asctime[2]?.trim()} ${asctime[1]} ${asctime[4]} ${asctime[3]} GMT`);
  const rfc850 = RFC850_DATE.exec(value);
  if (rfc850 === null) return undefined;
  const [, day, month, shortYear, time] = rfc850;
  const century = Math.floor(new Date(nowWallMs).getUTCFullYear() / 100);
  const at = Date.parse(`${day} ${month} ${century}${shortYear} ${time} GMT`);
  // A date more than 50 years ahead is the last past year with these digits (RFC 9110, 5.6.7).
  return at - nowWallMs > FIFTY_YEARS_MS
    ? Date.parse(`${day} ${month} ${century - 1}${shortYear} ${time} GMT`)
    : at;
}
