import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  deadPauseMs,
  decodeHealth,
  encodeHealth,
  type HealthRecord,
  isDue,
  LONGEST_PAUSE_MS,
  nextHealth,
  probedAt,
  stateOf,
} from '../../../lib/sync/health.ts';
import { HEALTH_ERRORS, type ProbeResult } from '../../../lib/sync/outcome.ts';
import { readOutcomes } from '../../../lib/sync/recent.ts';

const NOW = 1_764_000_000_000;
const INTERVAL = 300_000;
const ADDRESS = '8.8.8.8:80';
const ALIVE: ProbeResult = { kind: 'alive', rttMs: 12.4 };
const FAILED: ProbeResult = { kind: 'failed', error: 'timeout' };

const now = (nowMs: number, over: Partial<Parameters<typeof nextHealth>[2]> = {}) => ({
  address: ADDRESS,
  nowMs,
  intervalMs: INTERVAL,
  random: 0.5,
  ...over,
});

function run(results: readonly ProbeResult[], start = NOW): HealthRecord {
  let record: HealthRecord | undefined;
  for (const [i, result] of results.entries()) record = nextHealth(record, result, now(start + i * INTERVAL));
  if (record === undefined) throw new Error('no results');
  return record;
}

test('a first success makes a new consumer alive', () => {
  assert.deepEqual(run([ALIVE]), {
    state: 'alive',
    address: ADDRESS,
    since: NOW,
    lastOk: NOW,
    rtt: 12,
    recent: 'AAAAAAAAAAAAAAAAAAAB',
  });
});

test('the first failure makes a suspect, the third in a row a dead one', () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((n) => run(Array.from({ length: n }, () => FAILED)).state),
    ['suspect', 'suspect', 'dead', 'dead'],
  );
  assert.equal(run([FAILED, FAILED, ALIVE, FAILED, FAILED]).state, 'suspect');
});

test('a success after a death makes it alive at once, and the last failure stays known', () => {
  const record = run([FAILED, FAILED, FAILED, ALIVE]);
  assert.equal(record.state, 'alive');
  assert.equal(record.since, NOW + 3 * INTERVAL);
  assert.equal(record.lastError, 'timeout');
  assert.equal(record.lastFail, NOW + 2 * INTERVAL);
  assert.equal(record.failures, undefined);
  assert.equal(record.due, undefined);
});

test('since is when the state began, not when it was last confirmed', () => {
  assert.equal(run([ALIVE, ALIVE, ALIVE]).since, NOW);
  assert.equal(run([ALIVE, FAILED, FAILED]).since, NOW + INTERVAL);
  assert.equal(run([FAILED, FAILED, FAILED, FAILED]).since, NOW + 2 * INTERVAL);
});

test('a record about another address is void', () => {
  const dead = run([FAILED, FAILED, FAILED]);
  const other = '9.9.9.9:80';
  assert.equal(isDue(dead, other, { at: NOW + 2 * INTERVAL, intervalMs: INTERVAL }), true);
  assert.equal(stateOf(dead, other), 'new');
  assert.equal(probedAt(dead, other), 0);
  assert.deepEqual(
    nextHealth(dead, FAILED, now(NOW, { address: other })),
    nextHealth(undefined, FAILED, now(NOW, { address: other })),
  );
});

test('a Retry-After is waited for to its end, an hour at most', () => {
  const busy = (retryAfterMs: number) =>
    nextHealth(undefined, { kind: 'busy', rttMs: 1, retryAfterMs }, now(NOW));
  const due = (record: HealthRecord, at: number) => isDue(record, ADDRESS, { at, intervalMs: INTERVAL });
  assert.equal(busy(60_000).state, 'alive');
  assert.equal(due(busy(600_000), NOW + 599_999), false);
  assert.equal(due(busy(600_000), NOW + 600_000), true);
  assert.equal(busy(10 * LONGEST_PAUSE_MS).due, NOW + LONGEST_PAUSE_MS);
  assert.equal(nextHealth(undefined, { kind: 'busy', rttMs: 1 }, now(NOW)).due, undefined);
});

test('new, alive and suspect consumers are due in every round', () => {
  const round = { at: NOW, intervalMs: INTERVAL };
  assert.equal(isDue(undefined, ADDRESS, round), true);
  assert.equal(isDue(run([ALIVE]), ADDRESS, round), true);
  assert.equal(isDue(run([FAILED]), ADDRESS, round), true);
});

test('a dead consumer is due if its time comes within half an interval', () => {
  const dead = run([FAILED, FAILED, FAILED]);
  const due = dead.due ?? Number.NaN;
  const at = (ms: number) => isDue(dead, ADDRESS, { at: ms, intervalMs: INTERVAL });
  assert.equal(at(due - INTERVAL / 2), true);
  assert.equal(at(due - INTERVAL / 2 - 1), false);
});

test('the pause of the dead doubles, with ±20 % jitter, and is an hour at most', () => {
  const pause = (failures: number, random = 0.5) => deadPauseMs(failures, { intervalMs: INTERVAL, random });
  assert.deepEqual(
    [3, 4, 5].map((n) => pause(n)),
    [2 * INTERVAL, 4 * INTERVAL, 8 * INTERVAL],
  );
  assert.equal(pause(3, 0), 1.6 * INTERVAL);
  assert.equal(pause(6), LONGEST_PAUSE_MS);
  assert.equal(pause(9_999, 0.999), LONGEST_PAUSE_MS);
  assert.equal(pause(9_999, 0), 0.8 * LONGEST_PAUSE_MS);
});

const result = fc.oneof<fc.Arbitrary<ProbeResult>[]>(
  fc.record({ kind: fc.constant('alive' as const), rttMs: fc.double({ min: 0, max: 20_000, noNaN: true }) }),
  fc.record({
    kind: fc.constant('busy' as const),
    rttMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    retryAfterMs: fc.nat({ max: 1e12 }),
  }),
  fc.record({ kind: fc.constant('failed' as const), error: fc.constantFrom(...HEALTH_ERRORS) }),
);

test('whatever happens: dead means three failures in a row, pauses are bounded, and the record survives Redis', () => {
  fc.assert(
    fc.property(
      fc.array(result, { minLength: 1, maxLength: 80 }),
      fc.double({ min: 0, max: 0.999_999, noNaN: true }),
      fc.integer({ min: 1_000, max: 86_400_000 }),
      (results, random, intervalMs) => {
        let record: HealthRecord | undefined;
        let inARow = 0;
        let nowMs = NOW;
        for (const each of results) {
          record = nextHealth(record, each, now(nowMs, { random, intervalMs }));
          inARow = each.kind === 'failed' ? inARow + 1 : 0;
          assert.equal(record.state, inARow === 0 ? 'alive' : inARow < 3 ? 'suspect' : 'dead');
          assert.ok((record.due ?? nowMs) - nowMs <= LONGEST_PAUSE_MS);
          assert.ok(record.state !== 'dead' || (record.due ?? 0) > nowMs);
          assert.equal(probedAt(record, ADDRESS), nowMs);
          assert.deepEqual(decodeHealth(encodeHealth(record), nowMs), record);
          assert.ok(encodeHealth(record).length < 250);
          nowMs += intervalMs;
        }
        assert.deepEqual(
          readOutcomes(record?.recent ?? ''),
          results.slice(-60).map(({ kind }) => kind),
        );
      },
    ),
  );
});

test('the largest record there is stays under 250 bytes', () => {
  const address = '[2001:1111:2222:3333:4444:5555:6666:7777]:65535';
  const wrong: ProbeResult = { kind: 'failed', error: 'wrong-identity' };
  let record = nextHealth(undefined, { kind: 'alive', rttMs: 20_000 }, now(NOW, { address }));
  let largest = 0;
  for (let i = 0; i < 10_050; i++) {
    record = nextHealth(record, wrong, now(NOW, { address }));
    largest = Math.max(largest, encodeHealth(record).length);
  }
  const busy: ProbeResult = { kind: 'busy', rttMs: 20_000, retryAfterMs: 1e12 };
  largest = Math.max(largest, encodeHealth(nextHealth(record, busy, now(NOW, { address }))).length);
  assert.ok(largest < 250, `${largest} bytes`);
});

test('what is no record of ours is read as none', () => {
  const good = run([FAILED, FAILED, FAILED]);
  const bad: unknown[] = [
    null,
    7,
    '',
    'x',
    '[]',
    'null',
    '{}',
    '"alive"',
    '['.repeat(100_000),
    JSON.stringify({ ...good, state: 'new' }),
    JSON.stringify({ ...good, address: 7 }),
    JSON.stringify({ ...good, since: '1' }),
    JSON.stringify({ ...good, lastOk: -1 }),
    JSON.stringify({ ...good, failures: 1e9 }),
    JSON.stringify({ ...good, lastError: '<script>' }),
    JSON.stringify({ ...good, recent: 'x' }),
    JSON.stringify({ ...good, padding: 'x'.repeat(2_000) }),
  ];
  for (const json of bad)
    assert.equal(decodeHealth(json, NOW + 9 * INTERVAL), undefined, String(json).slice(0, 80));
});

test('a record from the future, or with an endless pause, is none: it would never be probed again', () => {
  const good = run([FAILED, FAILED, FAILED]);
  const later = NOW + 3 * INTERVAL;
  const read = (over: Partial<HealthRecord>) => decodeHealth(JSON.stringify({ ...good, ...over }), later);
  assert.deepEqual(read({}), good);
  assert.equal(read({ lastFail: later + 60_001 }), undefined);
  assert.equal(read({ lastOk: later + 60_001 }), undefined);
  assert.equal(read({ since: later + 60_001 }), undefined);
  assert.equal(read({ due: (good.lastFail ?? 0) + LONGEST_PAUSE_MS + 1 }), undefined);
});

test('whatever Redis holds, reading it never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.json(), fc.string()), (json) => {
      const record = decodeHealth(json, NOW);
      assert.ok(record === undefined || record.recent.length === 20);
    }),
  );
});
