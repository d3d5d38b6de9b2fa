import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeDelivery, leaseMs } from '../../../lib/store/delivery-record.ts';

test('a record is read field by field, and what cannot be used counts as absent', () => {
  const json =
    '{"ackedEpoch":7,"ackedAt":-1,"lease":"t","leaseEnd":"soon","attempts":1.5,"address":9,"more":1}';
  assert.deepEqual(decodeDelivery(json), { ackedEpoch: 7, lease: 't' });
});

test('what is no record counts as an empty one', () => {
  for (const json of [null, undefined, 7, '', 'x', '[]', 'null', '"text"', '{"lease":']) {
    assert.deepEqual(decodeDelivery(json), {});
  }
});

test('reading a record never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.string(), fc.json()), (json) => {
      assert.equal(typeof decodeDelivery(json), 'object');
    }),
  );
});

test('a lease is two deadlines and 20 s long', () => {
  assert.equal(leaseMs(5_000), 30_000);
  assert.equal(leaseMs(60_000), 140_000);
});
