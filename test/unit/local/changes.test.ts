import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesBetween } from '../../../local/changes.ts';
import type { Snapshot } from '../../../local/snapshot.ts';

const NONE = new Map<string, string>();
const fields = (entries: Record<string, unknown>) =>
  new Map(
    Object.entries(entries).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
const entry = (entries: Record<string, unknown>) => ({ id: '1-0', fields: fields(entries) });
const members = (given: Partial<NonNullable<Snapshot['members']>>) => ({
  consumers: NONE,
  health: NONE,
  candidates: NONE,
  deliveries: NONE,
  due: NONE,
  ...given,
});
const snapshot = (given: Partial<Snapshot>): Snapshot => ({
  rounds: [],
  history: [],
  ip: NONE,
  members: members({}),
  ...given,
});

test('nothing is told of what was there before the first look', () => {
  const first = snapshot({
    ip: fields({ current: '203.0.113.1', checkedAt: 5, verifiedAt: 5 }),
    members: members({
      consumers: fields({ u1: '127.0.0.1:1' }),
      deliveries: fields({ p1: { ackedAt: 1 } }),
    }),
  });
  assert.deepEqual(changesBetween(undefined, first), []);
});

test('a round comes with the state of each consumer, new where there is no record about its address', () => {
  const after = snapshot({
    rounds: [entry({ round: 'r' })],
    members: members({
      consumers: fields({ u1: '127.0.0.1:1', u2: '127.0.0.1:2', u3: '127.0.0.1:3' }),
      health: fields({
        u1: { state: 'suspect', address: '127.0.0.1:1', lastError: 'refused' },
        u3: { state: 'suspect', address: '127.0.0.1:9', lastError: 'wrong-identity' },
      }),
    }),
  });
  const [round] = changesBetween(undefined, after);
  assert.equal(round?.kind, 'round');
  assert.deepEqual(round.consumers, [
    { uuid: 'u1', address: '127.0.0.1:1', state: 'suspect', lastError: 'refused' },
    { uuid: 'u2', address: '127.0.0.1:2', state: 'new' },
    { uuid: 'u3', address: '127.0.0.1:3', state: 'new' },
  ]);
});

test('a candidate is told when it is heard of, and when it has become a consumer', () => {
  const heard = snapshot({
    members: members({
      candidates: fields({ 17: { uuid: 'u3', address: '127.0.0.1:3', from: 'u1' }, secret: 'x' }),
    }),
  });
  const joined = snapshot({ members: members({ consumers: fields({ u3: '127.0.0.1:3' }) }) });
  assert.deepEqual(changesBetween(snapshot({}), heard), [
    { kind: 'candidate', uuid: 'u3', address: '127.0.0.1:3', from: 'u1' },
  ]);
  assert.deepEqual(changesBetween(heard, joined), [{ kind: 'joined', uuid: 'u3', address: '127.0.0.1:3' }]);
});

test('a check that confirmed the address is told, one that could not is told as such', () => {
  const ip = { current: '203.0.113.1', checkedAt: 1, verifiedAt: 1, unknownChecks: 0 };
  const before = snapshot({ ip: fields(ip) });
  const confirmed = snapshot({ ip: fields({ ...ip, checkedAt: 2, verifiedAt: 2 }) });
  const unknown = snapshot({ ip: fields({ ...ip, checkedAt: 2, unknownChecks: 1 }) });
  const contested = snapshot({
    ip: fields({ ...ip, checkedAt: 2, candidate: '203.0.113.9', candidateChecks: '2' }),
  });
  assert.deepEqual(changesBetween(before, before), []);
  assert.deepEqual(changesBetween(before, confirmed), [{ kind: 'ip-confirmed', ip: '203.0.113.1' }]);
  assert.deepEqual(changesBetween(before, unknown), [{ kind: 'ip-unknown', checks: '1' }]);
  assert.deepEqual(changesBetween(before, contested), [
    { kind: 'ip-contested', candidate: '203.0.113.9', checks: '2' },
  ]);
});

test('a change is told instead of the check that found it', () => {
  const before = snapshot({ ip: fields({ current: '203.0.113.1', checkedAt: 1, verifiedAt: 1 }) });
  const after = snapshot({
    ip: fields({ current: '203.0.113.2', checkedAt: 2, verifiedAt: 2 }),
    history: [entry({ from: '203.0.113.1', to: '203.0.113.2' })],
  });
  assert.deepEqual(changesBetween(before, after), [
    { kind: 'ip-changed', from: '203.0.113.1', to: '203.0.113.2' },
  ]);
});

test('an acknowledgement is told once, and the end of the deliveries after it', () => {
  const after = snapshot({
    ip: fields({ current: '203.0.113.2', epoch: '7', told: '1' }),
    // What stands in the history is about the change before.
    history: [entry({ epoch: '7', told: '9' })],
    members: members({ deliveries: fields({ p1: { ackedEpoch: 7, ackedAt: 70 } }) }),
  });
  assert.deepEqual(changesBetween(snapshot({}), after), [
    { kind: 'told', uuid: 'p1', ip: '203.0.113.2' },
    { kind: 'all-told', told: '1' },
  ]);
  assert.deepEqual(changesBetween(after, { ...after, history: [] }), []);
});

test('a failed attempt is told with its next time, an attempt under way is not', () => {
  const record = { attempts: 1, firstAt: 10, lastStatus: '503' };
  const failed = snapshot({
    members: members({ deliveries: fields({ p1: record }), due: fields({ p1: '5000' }) }),
  });
  const leased = snapshot({
    members: members({ deliveries: fields({ p1: { ...record, lease: 't' } }), due: fields({ p1: '5000' }) }),
  });
  assert.deepEqual(changesBetween(snapshot({}), failed), [
    { kind: 'not-told', uuid: 'p1', lastStatus: 'it answered 503', nextAt: 5000 },
  ]);
  assert.deepEqual(changesBetween(snapshot({}), leased), []);
});
