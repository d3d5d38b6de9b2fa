import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RedisReplyError } from '../../../lib/errors.ts';
import { createRedisClock } from '../../../lib/redis/clock.ts';
import type { Command, Redis, Reply } from '../../../lib/redis/redis.ts';
import { createMachine } from '../../support/clock.ts';

function setUp() {
  const machine = createMachine();
  return { machine, clock: createRedisClock(machine) };
}

const TIME: Reply = ['1800000000', '250999'];

describe('the Redis clock', () => {
  test('cannot be read before TIME was', () => {
    const { clock } = setUp();
    assert.throws(() => clock.nowMs(), /before TIME was read/);
    assert.equal(clock.isStale(), true);
    assert.equal(clock.readings, 0);
  });

  test('dates a reading from the moment of sending and goes on with the monotonic clock', () => {
    const { clock, machine } = setUp();

    const finish = clock.startReading();
    machine.work(400);
    finish(TIME);

    assert.equal(clock.nowMs(), 1_800_000_000_650);
    machine.work(1_000);
    assert.equal(clock.nowMs(), 1_800_000_001_650);
    assert.equal(clock.isStale(), false);
    assert.equal(clock.readings, 1);
  });

  test('ignores what the machine thinks the time is', () => {
    const { clock, machine } = setUp();
    clock.startReading()(TIME);
    machine.suspend(-3_600_000);
    assert.equal(clock.nowMs(), 1_800_000_000_250);
  });

  for (const [ms, stale] of [
    [2_000, false],
    [2_001, true],
  ] as const) {
    test(`is ${stale ? '' : 'not '}stale after a reply that took ${ms} ms`, () => {
      const { clock, machine } = setUp();
      const finish = clock.startReading();
      machine.work(ms);
      finish(TIME);
      assert.equal(clock.isStale(), stale);
    });
  }

  for (const [ms, stale] of [
    [1_000, false],
    [1_001, true],
    [-1_001, true],
  ] as const) {
    test(`is ${stale ? '' : 'not '}stale when the wall clock has moved by ${ms} ms of its own`, () => {
      const { clock, machine } = setUp();
      clock.startReading()(TIME);
      machine.work(60_000);
      machine.suspend(ms);
      assert.equal(clock.isStale(), stale);
    });
  }

  test('is stale when the container froze between the sending and the reply', () => {
    const { clock, machine } = setUp();
    const finish = clock.startReading();
    machine.suspend(30_000);
    finish(TIME);
    assert.equal(clock.isStale(), true);
  });

  test('keeps its reading when a later one fails', () => {
    const { clock } = setUp();
    clock.startReading()(TIME);
    assert.throws(() => clock.startReading()(new RedisReplyError('NOPERM no')), /NOPERM/);
    assert.equal(clock.nowMs(), 1_800_000_000_250);
    assert.equal(clock.readings, 1);
  });

  for (const reply of [
    undefined,
    null,
    'OK',
    7,
    [],
    ['1'],
    ['a', 'b'],
    ['1', '2', '3'],
    [1, 2],
    ['-1', '0'],
  ]) {
    test(`refuses ${JSON.stringify(reply)} as a reply to TIME`, () => {
      const { clock } = setUp();
      assert.throws(() => clock.startReading()(reply), RedisReplyError);
      assert.equal(clock.readings, 0);
    });
  }

  test('refresh reads TIME again only when it is stale', async () => {
    const { clock, machine } = setUp();
    const sent: unknown[] = [];
    const redis: Redis = {
      async send(requests) {
        sent.push(...requests);
        return requests.map(() => ['1800000100', '0']);
      },
      close: async () => {},
    };

    clock.startReading()(TIME);
    await clock.refresh(redis);
    assert.deepEqual(sent, []);
    machine.suspend(1_500);
    await clock.refresh(redis);
    machine.work(5);

    assert.deepEqual(sent, [['TIME'] satisfies Command]);
    assert.equal(clock.nowMs(), 1_800_000_100_005);
    assert.equal(clock.isStale(), false);
    assert.equal(clock.readings, 2);
  });
});
