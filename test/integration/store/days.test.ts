import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DAY_MS, type DayDigit, digitOf, KEPT_DAYS, keepDays, withDay } from '../../../lib/store/days.ts';
import { createKeys } from '../../../lib/store/keys.ts';
import { decodeDays } from '../../../report/days.ts';
import { countingRedis } from '../../support/counting-redis.ts';
import { redisForSuite } from '../../support/redis.ts';
import { OWN_UUID, reportParts } from '../../support/report-states.ts';

const DAY = 20_700;
const [NOON, NEXT] = [(DAY + 0.5) * DAY_MS, (DAY + 1) * DAY_MS + 60_000];
const KEYS = createKeys('{p2p}:');
const NEVER_FAILED = 'V'.repeat(20);

function record(fields: Partial<Parameters<typeof digitOf>[0]>): NonNullable<Parameters<typeof digitOf>[0]> {
  return { state: 'alive', address: '198.51.100.1:80', since: 0, recent: NEVER_FAILED, ...fields };
}

describe('what a day was like', () => {
  test('is read from a record on the day after', () => {
    assert.equal(digitOf(undefined, DAY), 0);
    assert.equal(digitOf(record({ lastOk: NEXT }), DAY), 1);
    assert.equal(digitOf(record({ lastOk: NEXT, lastError: 'timeout', lastFail: NOON }), DAY), 2);
    assert.equal(
      digitOf(record({ lastOk: NEXT, lastFail: NOON, recent: `${'V'.repeat(10)}_${'V'.repeat(9)}` }), DAY),
      3,
    );
    assert.equal(digitOf(record({ state: 'dead', since: NOON, lastFail: NEXT }), DAY), 3);
    assert.equal(
      digitOf(record({ state: 'dead', since: NEXT, lastFail: NEXT, lastOk: NOON }), DAY),
      1,
      'it died today',
    );
  });

  test('is kept a digit a day, with gaps, and at most ninety, whatever stood there', () => {
    assert.equal(withDay(undefined, DAY, 1), `${DAY}:1`);
    assert.equal(withDay(`${DAY - 1}:12`, DAY, 3), `${DAY}:123`);
    assert.equal(withDay(`${DAY - 3}:1`, DAY, 1), `${DAY}:1001`);
    assert.equal(withDay(`${DAY}:12`, DAY, 3), `${DAY}:12`, 'a day that was kept stays as it is');
    assert.equal(
      withDay(`${DAY + 2}:1221`, DAY, 3),
      `${DAY}:12`,
      'a clock that was ahead has written two more',
    );
    assert.equal(withDay(`${DAY + 365}:${'0'.repeat(89)}1`, DAY, 3), `${DAY}:3`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constant(`${DAY - 7}:${'1'.repeat(90)}`)), (value) => {
        const kept = decodeDays(withDay(value, DAY, 2 satisfies DayDigit)) ?? assert.fail(value);
        assert.ok(kept.days.length <= KEPT_DAYS);
      }),
    );
  });
});

describe('the days of all consumers', () => {
  const testRedis = redisForSuite();

  test('are kept once a day, ours too, and what is gone for ninety days goes', async () => {
    const redis = countingRedis(testRedis().redis);
    const parts = reportParts(redis);
    const later = { remainingMs: () => 600_000 };
    await testRedis().put(KEYS.health, { a: JSON.stringify(record({ lastOk: NEXT - 1_000 })), b: '<junk>' });
    await testRedis().put(KEYS.ip, { verifiedAt: NEXT - 1_000, told: 2, lastAck: NOON + 700_000 });
    await testRedis().command('XADD', KEYS.ipHistory, '*', 'to', '203.0.113.1', 'epoch', NOON, 'at', NOON);
    await testRedis().command('HSET', KEYS.days, 'gone', `${DAY - 91}:1`, 'a', `${DAY - 1}:2`);
    await keepDays(NEXT, later, parts);
    assert.deepEqual(await testRedis().command('HMGET', KEYS.days, 'a', 'b', OWN_UUID, 'gone', 'day'), [
      `${DAY}:21`,
      `${DAY}:0`,
      `${DAY}:3`,
      null,
      String(DAY),
    ]);
    redis.reset();
    await keepDays(NEXT + 60_000, later, parts);
    assert.deepEqual(redis.sent, [], 'the same day is not asked about again');
    const other = countingRedis(testRedis().redis);
    await keepDays(NEXT + 60_000, later, reportParts(other));
    assert.deepEqual(other.sent, ['HGET'], 'another process finds it done');
  });
});
