import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedisClock } from '../../../lib/redis/clock.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { keepLease } from '../../../lib/store/lease.ts';

/** A lease over a Redis that answers `answers` to the renewals, and a clock and sleeper that the test moves. */
async function setUp(answers: (1 | 0 | 'lost')[]) {
  let nowMs = 0;
  const slept: { ms: number; wake: () => void }[] = [];
  let sleeping: (() => void) | undefined;
  let renewals = 0;
  const redis: Redis = { send: async () => [['1764000000', '0']], close: async () => {} };
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
  const lease = keepLease({
    host,
    clock,
    refresh: () => clock.refresh(redis),
    async renew() {
      renewals += 1;
      const answer = answers.shift() ?? 1;
      if (answer === 'lost') throw new RedisUnavailableError('gone', { mayHaveRun: true });
      return answer === 1;
    },
    takenMs: 0,
  });
  return {
    lease,
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
  const { lease, nextSleep, renewals } = await setUp([1, 1]);
  assert.equal(await nextSleep(), 10_000);
  assert.equal(await nextSleep(), 10_000);
  assert.equal(renewals(), 2);
  assert.equal(lease.leftMs(), 30_000);
  await lease.end();
});

test('it is ours for 30 s after the last renewal that was answered', async () => {
  const { lease, advance, renewals } = await setUp(['lost', 1]);
  advance(29_999);
  assert.equal(lease.leftMs(), 1);
  advance(1);
  assert.equal(lease.leftMs(), 0);
  assert.equal(await lease.renew(), 0, 'a lost reply says nothing');
  assert.equal(lease.lost, false);
  assert.equal(await lease.renew(), 30_000);
  assert.equal(renewals(), 2);
  await lease.end();
});

test('a renewal that fails is tried again a second later', async () => {
  const { lease, nextSleep, renewals } = await setUp(['lost', 1]);
  assert.equal(await nextSleep(), 1_000);
  assert.equal(await nextSleep(), 10_000);
  assert.equal(renewals(), 2);
  await lease.end();
});

test('once another token was found it is lost, and not asked for again', async () => {
  const { lease, advance, renewals } = await setUp([0]);
  advance(30_000);
  assert.equal(await lease.renew(), 0);
  assert.equal(lease.lost, true);
  assert.equal(await lease.renew(), 0);
  assert.equal(renewals(), 1);
  await lease.end();
});

test('many that ask at once share one renewal', async () => {
  const { lease, advance, renewals } = await setUp([1]);
  advance(30_000);
  assert.deepEqual(
    await Promise.all([lease.renew(), lease.renew(), lease.renew()]),
    [30_000, 30_000, 30_000],
  );
  assert.equal(renewals(), 1);
  await lease.end();
});
