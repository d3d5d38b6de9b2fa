import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createThrottle, watchInvocation } from '../../../lib/notify/limits.ts';

function setUp(remainingMs: number) {
  const now = { monotonic: 0, wall: 1_000_000, remaining: remainingMs };
  const host = { monotonicMs: () => now.monotonic, wallMs: () => now.wall };
  const { signal } = new AbortController();
  const leftMs = watchInvocation({ requestId: 'r', signal, remainingMs: () => now.remaining }, host);
  return { now, host, leftMs };
}

test('an invocation has the time left that it says', () => {
  const { now, leftMs } = setUp(20_000);
  now.remaining = 9_000;
  assert.equal(leftMs(), 9_000);
});

for (const clock of ['wall', 'monotonic'] as const) {
  test(`and no more than the ${clock} clock says, if its word does not change`, () => {
    const { now, leftMs } = setUp(20_000);
    now[clock] += 15_000;
    assert.equal(leftMs(), 5_000);
  });
}

test('a call that this machine could not make halves the calls in flight, once a second', () => {
  const { now, host } = setUp(0);
  const throttle = createThrottle(5, host);
  assert.equal(throttle.pauseMs(), 0);
  assert.ok(throttle.slowDown());
  assert.ok(throttle.slowDown(), 'one that failed in the same moment changes nothing');
  assert.deepEqual([throttle.limit, throttle.pauseMs()], [2, 1_000]);
  now.monotonic += 1_000;
  assert.equal(throttle.pauseMs(), 0);
  assert.ok(throttle.slowDown());
  assert.equal(throttle.limit, 1);
  now.monotonic += 1_000;
  assert.ok(!throttle.slowDown(), 'fewer than one is none');
});
