import type { Config } from '../config.ts';
import type { Invocation } from '../host.ts';
import type { Redis } from '../redis/redis.ts';
import { decodeHealth, type HealthRecord, readOutcomes } from './health-record.ts';
import type { Keys } from './keys.ts';
import { entriesOf, listOf, repliesTo, scanPages } from './replies.ts';

/**
 * A digit says what a day was like at its worst: 0 nothing is known, 1 well, 2 a call failed (of ourselves: the address
 * changed), 3 dead (of ourselves: a producer waited for more than ten minutes).
 */
export type DayDigit = 0 | 1 | 2 | 3;

export const DAY_MS = 86_400_000;
/** How many days are kept. */
export const KEPT_DAYS = 90;
/** The field that says which day was kept last. No uuid looks like it. */
const LAST_DAY = 'day';
/** So many failures in a row within one day are taken for death. */
const DEAD_RUN = 3;
const REGISTER_FIELDS = ['verifiedAt', 'told', 'lastAck'] as const;
const LONG_WAIT_MS = 600_000;
const HISTORY_ENTRIES = 100;
/** Time that an invocation must have left to keep another page. */
const LEAST_LEFT_MS = 20_000;

interface DayParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly config: Config;
}

/** The last day that this process has found kept, for each connection: nothing is asked again on the same day. */
const keptDay = new WeakMap<Redis, number>();

/**
 * Keeps what the day before `nowMs` was like, once a day: four commands for each 1,000 consumers, one where it is done
 * already. A value says which day its last digit is of, so that repeating it changes nothing. Days without a round are 0.
 *
 * @throws RedisUnavailableError, RedisReplyError.
 */
export async function keepDays(
  nowMs: number,
  { remainingMs }: Pick<Invocation, 'remainingMs'>,
  { redis, keys, config }: DayParts,
): Promise<void> {
  const day = Math.floor(nowMs / DAY_MS) - 1;
  if (keptDay.get(redis) === day) return;
  const [last] = await repliesTo(redis, [['HGET', keys.days, LAST_DAY]]);
  if (last !== String(day)) {
    for await (const page of scanPages(redis, { command: 'HSCAN', key: keys.health })) {
      if (remainingMs() < LEAST_LEFT_MS) return;
      const records = page.map(([uuid, json]) => [uuid, digitOf(decodeHealth(json, nowMs), day)] as const);
      await keep(records, day, { redis, keys });
    }
    await keep([[config.localUuid, await ownDigit(day, { redis, keys })]], day, { redis, keys });
    await forget(day, { redis, keys });
    await repliesTo(redis, [['HSET', keys.days, LAST_DAY, day]]);
  }
  keptDay.set(redis, day);
}

/** What a consumer's record, read on a later day, says about the day. Pure. */
export function digitOf(record: HealthRecord | undefined, day: number): DayDigit {
  if (record === undefined) return 0;
  const [start, end] = [day * DAY_MS, (day + 1) * DAY_MS];
  const { state, since, lastOk = 0, lastFail = 0, recent } = record;
  if (state === 'dead' && since < end) return 3;
  // Of failures before `start` the record knows no more; of those after `end` nothing about the day follows.
  if (lastFail >= start && lastFail < end) return longestFailure(recent) >= DEAD_RUN ? 3 : 2;
  if (lastOk >= start || (state === 'alive' && since < end)) return 1;
  return 0;
}

/** Reads a value: the last of its days, counted from the epoch, and a digit for each, the oldest first. Never throws. */
export function parseDays(value: unknown): { readonly lastDay: number; readonly digits: string } | undefined {
  const [, lastDay, digits] = /^(\d{1,7}):([0-3]{1,90})$/.exec(typeof value === 'string' ? value : '') ?? [];
  return lastDay === undefined || digits === undefined ? undefined : { lastDay: Number(lastDay), digits };
}

/** The value after one more day: gaps are days of which nothing is known. Pure. */
export function withDay(value: unknown, day: number, digit: DayDigit): string {
  const { lastDay: last, digits } = parseDays(value) ?? { lastDay: day - 1, digits: '' };
  // The same day again; or days of a clock that was ahead, which are none.
  if (last >= day) return `${day}:${digits.slice(0, Math.max(0, digits.length - (last - day))) || digit}`;
  const gap = '0'.repeat(Math.min(KEPT_DAYS, day - last - 1));
  return `${day}:${`${digits}${gap}${digit}`.slice(-KEPT_DAYS)}`;
}

function longestFailure(recent: string): number {
  let longest = 0;
  let run = 0;
  for (const outcome of readOutcomes(recent)) {
    run = outcome === 'failed' ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

/** Whether our address changed on the day, and whether a producer waited for long. */
async function ownDigit(day: number, { redis, keys }: Pick<DayParts, 'redis' | 'keys'>): Promise<DayDigit> {
  const [history, register] = await repliesTo(redis, [
    ['XREVRANGE', keys.ipHistory, '+', '-', 'COUNT', HISTORY_ENTRIES],
    ['HMGET', keys.ip, ...REGISTER_FIELDS],
  ]);
  const values = listOf(register);
  // How the telling of a change went stands in the change after it; of the newest, in the register.
  let telling: ReadonlyMap<string, string> = new Map(
    REGISTER_FIELDS.map((name, i) => [name, String(values[i] ?? '')]),
  );
  let digit: DayDigit = Number(telling.get('verifiedAt')) >= day * DAY_MS ? 1 : 0;
  for (const fields of entriesOf(history)) {
    const at = Number(fields.get('at') ?? Number.NaN);
    if (!fields.has('to') || Number.isNaN(at)) continue;
    if (Math.floor(at / DAY_MS) === day) {
      const waited = Number(telling.get('lastAck') || at) - at > LONG_WAIT_MS;
      const untold = Number(telling.get('told') ?? 0) < Number(telling.get('of') ?? 0);
      if (waited || untold) return 3;
      digit = 2;
    }
    telling = fields;
  }
  return digit;
}

async function keep(
  records: readonly (readonly [uuid: string, digit: DayDigit])[],
  day: number,
  { redis, keys }: Pick<DayParts, 'redis' | 'keys'>,
): Promise<void> {
  if (records.length === 0) return;
  const uuids = records.map(([uuid]) => uuid);
  const [values] = await repliesTo(redis, [['HMGET', keys.days, ...uuids]]);
  const kept = listOf(values);
  await repliesTo(redis, [
    ['HSET', keys.days, ...records.flatMap(([uuid, digit], i) => [uuid, withDay(kept[i], day, digit)])],
  ]);
}

/** Consumers of whom nothing was kept for 90 days are gone. */
async function forget(day: number, { redis, keys }: Pick<DayParts, 'redis' | 'keys'>): Promise<void> {
  for await (const page of scanPages(redis, { command: 'HSCAN', key: keys.days })) {
    const old = page
      .filter(([field, value]) => field !== LAST_DAY && !(Number.parseInt(value, 10) > day - KEPT_DAYS))
      .map(([field]) => field);
    if (old.length > 0) await repliesTo(redis, [['HDEL', keys.days, ...old]]);
  }
}
