import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBudget, watchLease } from '../../../lib/notify/budget.ts';
import { createRedisClock } from '../../../lib/redis/clock.ts';

const TIMEOUT_MS = 5_000;

/** Two clocks that a test moves, and an invocation whose word about its time is fixed unless it is told otherwise. */
function setUp({ remainingMs = 300_000 } = {}) {
  const now = { monotonic: 0, wall: 1_000_000, remaining: remainingMs };
  const host = { monotonicMs: () => now.monotonic, wallMs: () => now.wall };
  const invocation = {
    requestId: 'r',
    signal: new AbortController().signal,
    remainingMs: () => now.remaining,
  };
  const clock = createRedisClock(host);
  clock.startReading()(['1800000000', '0']);
  const budget = createBudget(invocation, host, TIMEOUT_MS);
  const pass = (ms: number) => {
    now.monotonic += ms;
    now.wall += ms;
  };
  return { now, clock, budget, pass, watch: () => watchLease({ budget, clock, host }, TIMEOUT_MS) };
}

test('a request may start while its lease of 30 s leaves it 10 s', () => {
  const { pass, watch } = setUp();
  const mayStart = watch();
  pass(20_000);
  assert.ok(mayStart());
  pass(1);
  assert.ok(!mayStart());
});

test('a request may start while the invocation leaves it 10 s, by its own word', () => {
  const { now, watch } = setUp();
  const mayStart = watch();
  now.remaining = 10_000;
  assert.ok(mayStart());
  now.remaining = 9_999;
  assert.ok(!mayStart());
});

test('and by the clocks, if its word does not change', () => {
  const { pass, watch } = setUp({ remainingMs: 12_000 });
  const mayStart = watch();
  pass(2_000);
  assert.ok(mayStart());
  pass(1);
  assert.ok(!mayStart());
});

test('time that only the wall clock saw counts', () => {
  const { now, budget } = setUp({ remainingMs: 20_000 });
  now.wall += 15_000;
  assert.equal(budget.leftMs(), 5_000);
});

test('time that only the monotonic clock saw counts', () => {
  const { now, budget } = setUp({ remainingMs: 20_000 });
  now.monotonic += 15_000;
  assert.equal(budget.leftMs(), 5_000);
});

for (const [what, wallMs] of [
  ['stood still while the wall clock went on', 1_001],
  ['went on while the wall clock was set back', -1_001],
] as const) {
  test(`no request starts once the monotonic clock ${what} by over 1 s`, () => {
    const { now, watch } = setUp();
    const mayStart = watch();
    now.wall += wallMs;
    assert.ok(!mayStart());
  });
}

test("no request starts under a lease that was taken before Redis's time was read again", () => {
  const { clock, watch } = setUp();
  const before = watch();
  assert.ok(before());
  clock.startReading()(['1800000001', '0']);
  assert.ok(!before());
  assert.ok(watch()());
});

test('a claim needs 2 s more than its requests do', () => {
  const { now, budget } = setUp();
  now.remaining = 12_000;
  assert.ok(budget.allowsClaim());
  now.remaining = 11_999;
  assert.ok(!budget.allowsClaim());
});
