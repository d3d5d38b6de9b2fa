import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import {
  decodeHealth,
  encodeHealth,
  HEALTH_ERRORS,
  type HealthRecord,
  LONGEST_PAUSE_MS,
  readOutcomes,
} from '../../../lib/store/health-record.ts';
import type { ProbeResult } from '../../../lib/sync/answer.ts';
import {
  aboutAddress,
  deadPauseMs,
  healthAfterAnswer,
  healthAfterFailure,
  isDue,
  type ProbeTime,
  probedAt,
  stateOf,
} from '../../../lib/sync/health.ts';

const NOW = 1_764_000_000_000;
const INTERVAL = 300_000;
const ADDRESS = '8.8.8.8';
const ALIVE: ProbeResult = { kind: 'alive', rttMs: 12.4, named: false };
const FAILED: ProbeResult = { kind: 'failed', error: 'timeout' };

const now = (nowMs: number, over: Partial<ProbeTime> = {}): ProbeTime => ({
  address: ADDRESS,
  nowMs,
  intervalMs: INTERVAL,
  random: 0.5,
  ...over,
});

/** The record after one more probe, whatever it came to. */
function nextHealth(
  previous: HealthRecord | undefined,
  result: ProbeResult,
  time: ProbeTime,
  counts = true,
): HealthRecord {
  return result.kind === 'failed'
    ? healthAfterFailure(previous, result.error, counts, time)
    : healthAfterAnswer(previous, result, time);
}

function run(results: readonly ProbeResult[], { start = NOW, counts = true } = {}): HealthRecord {
  let record: HealthRecord | undefined;
  for (const [i, result] of results.entries())
    record = nextHealth(record, result, now(start + i * INTERVAL), counts);
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
  assert.equal(record.fails, undefined);
  assert.equal(record.due, undefined);
});

test('since is when the state began, not when it was last confirmed', () => {
  assert.equal(run([ALIVE, ALIVE, ALIVE]).since, NOW);
  assert.equal(run([ALIVE, FAILED, FAILED]).since, NOW + INTERVAL);
  assert.equal(run([FAILED, FAILED, FAILED, FAILED]).since, NOW + 2 * INTERVAL);
});

test('in a mass failure it takes 36 failures in a row, three hours at the default interval', () => {
  const failures = (count: number) => Array.from({ length: count }, () => FAILED);
  assert.equal(run(failures(35), { counts: false }).state, 'suspect');
  const dead = run(failures(36), { counts: false });
  assert.deepEqual([dead.state, dead.fails, dead.counted], ['dead', 36, undefined]);
  assert.equal(dead.since - NOW, 35 * INTERVAL);
});

test('of two failures within half an interval one counts: two rounds overlap', () => {
  const once = run([FAILED]);
  assert.equal(nextHealth(once, FAILED, now(NOW + INTERVAL / 2 - 1)), once);
  assert.equal(nextHealth(once, FAILED, now(NOW + INTERVAL / 2)).fails, 2);
});

test('whoever has named itself stays named, and a home is kept until the address changes', () => {
  const named = nextHealth(undefined, { kind: 'alive', rttMs: 1, named: true }, now(NOW));
  assert.equal(named.named, true);
  const home = { ...named, home: '9.9.9.9', homeDue: NOW };
  for (const next of [nextHealth(home, ALIVE, now(NOW)), nextHealth(home, FAILED, now(NOW + INTERVAL))]) {
    assert.deepEqual([next.named, next.home, next.homeDue], [true, '9.9.9.9', NOW]);
  }
});

test('a record about another address is void; with or without the default port is the same address', () => {
  const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
  const about = (stored: string, raw: string) => {
    const parsed = policy.parse(raw);
    assert.ok('address' in parsed);
    return aboutAddress({ ...run([ALIVE]), address: stored }, raw, parsed.address, policy) !== undefined;
  };
  assert.equal(about('8.8.8.8', '8.8.8.8'), true);
  assert.equal(about('8.8.8.8:80', '8.8.8.8'), true, 'the canonical spelling of version 1');
  assert.equal(about('8.8.8.8', '8.8.8.8:80'), true);
  assert.equal(about('8.8.8.8', '8.8.8.8:81'), false);
  assert.equal(about('8.8.8.8', '9.9.9.9'), false);
  assert.equal(about('rubbish', '9.9.9.9'), false);
  assert.equal(stateOf(undefined), 'new');
});

test('a Retry-After is waited for to its end, an hour at most', () => {
  const busy = (retryAfterMs: number) =>
    nextHealth(undefined, { kind: 'busy', rttMs: 1, named: false, retryAfterMs }, now(NOW));
  const due = (record: HealthRecord, at: number) => isDue(record, { at, intervalMs: INTERVAL });
  assert.equal(busy(60_000).state, 'alive');
  assert.equal(due(busy(600_000), NOW + 599_999), false);
  assert.equal(due(busy(600_000), NOW + 600_000), true);
  assert.equal(busy(10 * LONGEST_PAUSE_MS).due, NOW + LONGEST_PAUSE_MS);
  assert.equal(nextHealth(undefined, { kind: 'busy', rttMs: 1, named: false }, now(NOW)).due, undefined);
});

test('new, alive and suspect consumers are due in every round', () => {
  const round = { at: NOW, intervalMs: INTERVAL };
  assert.equal(isDue(undefined, round), true);
  assert.equal(isDue(run([ALIVE]), round), true);
  assert.equal(isDue(run([FAILED]), round), true);
});

test('a dead consumer is due if its time comes within half an interval', () => {
  const dead = run([FAILED, FAILED, FAILED]);
  const due = dead.due ?? Number.NaN;
  const at = (ms: number) => isDue(dead, { at: ms, intervalMs: INTERVAL });
  assert.equal(at(due - INTERVAL / 2), true);
  assert.equal(at(due - INTERVAL / 2 - 1), false);
});

test('the pause of the dead doubles, with ±20 % jitter, and is an hour at most', () => {
  const pause = (counted: number, random = 0.5) =>
    deadPauseMs({ fails: counted, counted }, { intervalMs: INTERVAL, random });
  assert.deepEqual(
    [3, 4, 5].map((n) => pause(n)),
    [2 * INTERVAL, 4 * INTERVAL, 8 * INTERVAL],
  );
  assert.equal(pause(3, 0), 1.6 * INTERVAL);
  assert.equal(pause(6), LONGEST_PAUSE_MS);
  assert.equal(pause(9_999, 0.999), LONGEST_PAUSE_MS);
  assert.equal(pause(9_999, 0), 0.8 * LONGEST_PAUSE_MS);
  assert.equal(deadPauseMs({ fails: 36, counted: 0 }, { intervalMs: INTERVAL, random: 0.5 }), 2 * INTERVAL);
});

const result = fc.oneof<fc.Arbitrary<ProbeResult>[]>(
  fc.record({
    kind: fc.constant('alive' as const),
    rttMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    named: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('busy' as const),
    rttMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    named: fc.boolean(),
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
          assert.equal(probedAt(record), nowMs);
          assert.deepEqual(decodeHealth(encodeHealth(record), nowMs), record);
          assert.ok(encodeHealth(record).length < 350);
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

test('the largest record there is stays under 350 bytes', () => {
  const address = '[2001:1111:2222:3333:4444:5555:6666:7777]:65535';
  const wrong: ProbeResult = { kind: 'failed', error: 'wrong-identity' };
  const first = nextHealth(undefined, { kind: 'alive', rttMs: 20_000, named: true }, now(NOW, { address }));
  let record: HealthRecord = { ...first, home: address, homeDue: NOW };
  let largest = 0;
  for (let i = 0; i < 10_050; i++) {
    record = nextHealth(record, wrong, now(NOW + i * INTERVAL, { address }));
    largest = Math.max(largest, encodeHealth(record).length);
  }
  assert.ok(largest < 400, `${largest} bytes`);
});

test('the count of version 1 is read as both counts', () => {
  const { fails: _, counted: __, ...old } = run([FAILED, FAILED]);
  const read = decodeHealth(JSON.stringify({ ...old, failures: 2 }), NOW + INTERVAL);
  assert.deepEqual([read?.fails, read?.counted], [2, 2]);
  assert.equal(nextHealth(read, FAILED, now(NOW + 2 * INTERVAL)).state, 'dead');
});

/** For each field something that it never holds: a field that nothing checks is found here. */
const WRONG: Readonly<Record<keyof HealthRecord, unknown>> = {
  state: 'new',
  address: 7,
  since: '1',
  lastOk: -1,
  lastError: '<script>',
  lastFail: 1.5,
  rtt: 1e6,
  recent: 'x',
  fails: 1e9,
  counted: 0,
  due: '1',
  named: false,
  home: 7,
  homeDue: null,
};

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
    JSON.stringify({ ...good, padding: 'x'.repeat(2_000) }),
    ...Object.entries(WRONG).map(([field, value]) => JSON.stringify({ ...good, [field]: value })),
  ];
  for (const json of bad)
    assert.equal(decodeHealth(json, NOW + 9 * INTERVAL), undefined, String(json).slice(0, 80));
});

test('of a record from the future, or with an endless pause, no time counts, and the rest stays', () => {
  const good = run([FAILED, FAILED, FAILED]);
  const later = NOW + 3 * INTERVAL;
  const read = (over: Partial<HealthRecord>) => decodeHealth(JSON.stringify({ ...good, ...over }), later);
  assert.deepEqual(read({}), good);
  const kept = { named: true, home: '9.9.9.9' } as const;
  for (const ahead of [
    { lastFail: later + 60_001 },
    { lastOk: later + 60_001 },
    { since: later + 60_001 },
    { due: (good.lastFail ?? 0) + LONGEST_PAUSE_MS + 1 },
    { homeDue: later + LONGEST_PAUSE_MS + 60_001 },
  ]) {
    const record = read({ ...kept, ...ahead });
    const { lastFail: _, lastOk: __, due: ___, ...rest } = good;
    assert.deepEqual(record, { ...rest, ...kept, since: 'since' in ahead ? later : good.since });
    assert.equal(isDue(record, { at: later, intervalMs: INTERVAL }), true);
  }
});

test('whatever Redis holds, reading it never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.json(), fc.string()), (json) => {
      const record = decodeHealth(json, NOW);
      assert.ok(record === undefined || record.recent.length === 20);
    }),
  );
});
