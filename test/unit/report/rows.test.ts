import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseEpoch } from '../../../lib/ip/register.ts';
import { createAddressPolicy, withoutSelf } from '../../../lib/peers/address.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import { encodeHealth, type HealthRecord, NO_OUTCOMES } from '../../../lib/store/health-record.ts';
import { consumerRow } from '../../../report/peers/consumer-row.ts';
import { producerRow } from '../../../report/peers/producer-row.ts';
import { MINUTE } from '../../support/clock.ts';

const NOW = 1_764_000_000_000;
const UUID = '7d444840-9dc0-41d1-b245-5ffdce74fad2';
const OWN = parseUuid('5e1f0000-0000-4000-8000-000000000001');
assert.ok(OWN);
const policy = withoutSelf(createAddressPolicy({ defaultPort: 80, allow: [] }), {
  ip: parseIp('9.9.9.9'),
  port: 80,
});

describe('a consumer', () => {
  const rules = { policy, localUuid: OWN, intervalMs: 5 * MINUTE, nowMs: NOW };
  const health = (change: Partial<HealthRecord>) =>
    encodeHealth({
      state: 'alive',
      address: '8.8.8.8:80',
      since: NOW - 90 * MINUTE,
      lastOk: NOW - MINUTE,
      recent: NO_OUTCOMES,
      ...change,
    });
  const state = (json: unknown, address = '8.8.8.8', uuid = UUID) =>
    consumerRow(uuid, address, json, rules).state;

  test('is as its record says, while that is recent', () => {
    assert.equal(state(health({})), 'alive');
    assert.equal(
      state(health({ state: 'suspect', lastFail: NOW - MINUTE, fails: 1, counted: 1 })),
      'suspect',
    );
  });

  test('is unknown, and not alive, when it was last asked too long ago', () => {
    assert.equal(state(health({ lastOk: NOW - 30 * MINUTE })), 'unknown');
  });

  test('stays what it is while it is left alone on purpose', () => {
    const dead = {
      state: 'dead',
      lastOk: NOW - 80 * MINUTE,
      lastFail: NOW - 50 * MINUTE,
      fails: 9,
      counted: 9,
    } as const;
    assert.equal(state(health({ ...dead, due: NOW + 9 * MINUTE })), 'dead');
    assert.equal(state(health({ ...dead, due: NOW - 40 * MINUTE })), 'unknown');
  });

  test('is new without a record of its present address, or with one that is none', () => {
    assert.equal(state(null), 'new');
    assert.equal(state('{"state":"\u001b"}'), 'new');
    assert.equal(state(health({}), '8.8.4.4'), 'new');
  });

  test('is ourselves by uuid or address, and unusable if it may not be called', () => {
    assert.equal(state(null, '8.8.8.8', OWN), 'self');
    assert.equal(state(null, '9.9.9.9'), 'self');
    assert.equal(consumerRow(UUID, '169.254.169.254', null, rules).refused, 'forbidden');
    assert.equal(consumerRow('\u0000', '8.8.8.8', null, rules).refused, 'not-a-uuid');
  });
});

describe('a producer', () => {
  const epoch = parseEpoch(NOW - MINUTE);
  const state = (delivery: object, score: unknown, address: unknown = '8.8.8.8') =>
    producerRow({ uuid: UUID, address, json: JSON.stringify(delivery), score }, { policy, epoch, nowMs: NOW })
      .state;

  test('has been told, or will be told once more', () => {
    assert.equal(state({ ackedEpoch: epoch }, null), 'told');
    assert.equal(state({ ackedEpoch: epoch }, String(NOW)), 'again');
  });

  test('waits, is being called, or is tried again', () => {
    assert.equal(state({}, String(NOW)), 'waiting');
    assert.equal(
      state({ leaseEpoch: 5, attempts: 3 }, String(NOW)),
      'waiting',
      'attempts of an older change do not count',
    );
    assert.equal(state({ lease: 't', leaseEnd: NOW + 1 }, String(NOW)), 'telling');
    assert.equal(
      state({ lease: 't', leaseEnd: NOW - 1, leaseEpoch: epoch, attempts: 1 }, String(NOW)),
      'retrying',
    );
  });

  test('is new if it came after the change, missing if the API removed it, unusable if it may not be called', () => {
    assert.equal(state({}, null), 'new');
    assert.equal(state({ ackedEpoch: 5 }, null), 'new');
    assert.equal(state({}, String(NOW), null), 'missing');
    assert.equal(state({}, null, '10.0.0.1'), 'unusable');
  });
});
