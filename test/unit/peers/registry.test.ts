import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parsePeerRecord } from '../../../lib/peers/registry.ts';

const policy = createAddressPolicy({ defaultPort: 8080, allow: [] });
const UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';

test('a record has a canonical uuid and address, and keeps what Redis holds', () => {
  const parsed = parsePeerRecord(UUID.toUpperCase(), '8.8.8.8', policy);
  assert.ok('record' in parsed);
  assert.equal(parsed.record.uuid, UUID);
  assert.equal(parsed.record.address.key, '8.8.8.8:8080');
  assert.equal(parsed.record.field, UUID.toUpperCase());
  assert.equal(parsed.record.raw, '8.8.8.8');
});

test('an unusable record is refused by a name that holds none of its bytes', () => {
  const cases: [unknown, unknown, string][] = [
    ['', '8.8.8.8', 'not-a-uuid'],
    ['not a uuid', '8.8.8.8', 'not-a-uuid'],
    [`${UUID}\u0000`, '8.8.8.8', 'not-a-uuid'],
    ['x'.repeat(1_000_000), '8.8.8.8', 'not-a-uuid'],
    [1, '8.8.8.8', 'not-a-uuid'],
    [null, null, 'not-a-uuid'],
    [UUID, null, 'not-an-address'],
    [UUID, '', 'not-an-address'],
    [UUID, 'example.org', 'not-an-address'],
    [UUID, '8'.repeat(1_000_000), 'not-an-address'],
    [UUID, '10.0.0.1', 'not-public'],
    [UUID, '169.254.169.254', 'forbidden'],
  ];
  for (const [field, raw, refused] of cases) {
    assert.deepEqual(parsePeerRecord(field, raw, policy), { refused });
  }
});
