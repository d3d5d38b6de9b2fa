import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedisClock } from '../../../lib/redis/clock.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { keepLease } from '../../../lib/sync/hold.ts';

/** A hold over a Redis that answers `answers` to the renewals, and a clock and sleeper that the test moves. */
async function setUp(answers: (1 | 0 | 'lost')[]) {
  let nowMs = 0;
  const slept: { ms: number; wake: () => void }[] = [];
  let sleeping: (() => void) | undefined;
  let renewals = 0;
  const redis: Redis = {
    async send(requests) {
      if (!('script' in (requests[0] ?? []))) return [['1764000000', '0']];
      renewals += 1;
      const answer = answers.shift() ?? 1;
      if (answer === 'lost') throw new RedisUnavailableError('gone', { mayHaveRun: true });
      return [answer];
    },
    close: async () => {},
  };
  const host = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    random: () => 0.5,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        slept.push({ ms, wake: resolve });
        signal?.addEventListener('abort', () => resolve());
        sleeping?.();
      }),
  };
  const clock = createRedisClock(host);
  await clock.refresh(redis);
  const hold = keepLease({ redis, host, clock }, { key: 'lease', token: 'mine', takenMs: 0 });
  return {
    hold,
    renewals: () => renewals,
    advance: (ms: number) => {
      nowMs += ms;
    },
    /** Ends the present sleep, and answers how long the next one is. */
    async nextSleep(): Promise<number> {
      const next = new Promise<void>((resolve) => {
        sleeping = resolve;
      });
      const present = slept.at(-1);
      nowMs += present?.ms ?? 0;
      present?.wake();
      await next;
      return slept.at(-1)?.ms ?? Number.NaN;
    },
  };
}

test('it is renewed every 10 s in the background', async () => {
  const { hold, nextSleep, renewals } = await setUp([1, 1]);
  assert.equal(await nextSleep(), 10_000);
  assert.equal(await nextSleep(), 10_000);
  assert.equal(renewals(), 2);
  assert.equal(hold.sure(), true);
  await hold.end();
});

test('it is sure for 30 s after the last renewal that was answered', async () => {
  const { hold, advance, renewals } = await setUp(['lost', 1]);
  advance(29_999);
  assert.equal(hold.sure(), true);
  advance(1);
  assert.equal(hold.sure(), false);
  assert.equal(await hold.ensure(), false, 'a lost reply says nothing');
  assert.equal(hold.lost, false);
  assert.equal(await hold.ensure(), true);
  assert.equal(renewals(), 2);
  await hold.end();
});

test('a renewal that fails is tried again a second later', async () => {
  const { hold, nextSleep, renewals } = await setUp(['lost', 1]);
  assert.equal(await nextSleep(), 1_000);
  assert.equal(await nextSleep(), 10_000);
  assert.equal(renewals(), 2);
  await hold.end();
});

test('once another token was found it is lost, and not asked for again', async () => {
  const { hold, advance, renewals } = await setUp([0]);
  advance(30_000);
  assert.equal(await hold.ensure(), false);
  assert.equal(hold.lost, true);
  assert.equal(await hold.ensure(), false);
  assert.equal(renewals(), 1);
  await hold.end();
});

test('many that ask at once share one renewal', async () => {
  const { hold, advance, renewals } = await setUp([1]);
  advance(30_000);
  assert.deepEqual(await Promise.all([hold.ensure(), hold.ensure(), hold.ensure()]), [true, true, true]);
  assert.equal(renewals(), 1);
  await hold.end();
});
