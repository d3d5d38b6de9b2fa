import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HOUR_MS, retryDelayMs } from '../../../lib/notify/backoff.ts';

const DAY_MS = 86_400_000;
const NOW = 1_800_000_000_000;
const failure = { attempts: 1, firstAt: NOW, nowMs: NOW, random: 0 };

const anyFailure = fc.record({
  attempts: fc.nat({ max: 100_000 }),
  firstAt: fc.integer({ min: 0, max: 2 * NOW }),
  nowMs: fc.integer({ min: 0, max: 2 * NOW }),
  retryAfterMs: fc.option(fc.oneof(fc.double(), fc.integer()), { nil: undefined }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

test('30 s, doubling, at most 15 minutes', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7].map((attempts) => retryDelayMs({ ...failure, attempts }) / 1_000);
  assert.deepEqual(delays, [30, 60, 120, 240, 480, 900, 900]);
});

test('up to half as much is added at random', () => {
  assert.equal(retryDelayMs({ ...failure, random: 0.5 }), 37_500);
  assert.equal(retryDelayMs({ ...failure, attempts: 2, random: 1 - Number.EPSILON }), 90_000);
});

test('a day after the first attempt it becomes an hour', () => {
  assert.equal(retryDelayMs({ ...failure, attempts: 50, nowMs: NOW + DAY_MS - 1 }), 900_000);
  assert.equal(retryDelayMs({ ...failure, attempts: 50, nowMs: NOW + DAY_MS }), HOUR_MS);
});

test('a Retry-After takes its place, within 30 s to an hour', () => {
  const after = (retryAfterMs: number) => retryDelayMs({ ...failure, attempts: 9, retryAfterMs });
  assert.equal(after(0), 30_000);
  assert.equal(after(120_000), 120_000);
  assert.equal(after(31_536_000_000), HOUR_MS);
  assert.equal(after(Number.POSITIVE_INFINITY), HOUR_MS);
});

test('whatever happens, the next attempt is due in 30 s to an hour, in whole milliseconds', () => {
  fc.assert(
    fc.property(anyFailure, (any) => {
      const delay = retryDelayMs(any);
      assert.ok(Number.isSafeInteger(delay) && delay >= 30_000 && delay <= HOUR_MS, `${delay}`);
    }),
  );
});

test('without a Retry-After, more attempts never wait less', () => {
  fc.assert(
    fc.property(anyFailure, fc.nat({ max: 1_000 }), (any, more) => {
      const { retryAfterMs: _, ...plain } = any;
      assert.ok(retryDelayMs({ ...plain, attempts: plain.attempts + more }) >= retryDelayMs(plain));
    }),
  );
});
