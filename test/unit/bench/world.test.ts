import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BROKEN_PERCENT, brokenBehaviourOf, indexOf, ipOf, MAX_PEERS, uuidOf } from '../../../bench/world.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';

const anyPeer = fc.integer({ min: 0, max: MAX_PEERS - 1 });

test('every peer has an address of its own in 127.0.0.0/8 that says which peer it is', () => {
  const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.0/8')] });
  fc.assert(
    fc.property(anyPeer, (index) => {
      assert.equal(indexOf(ipOf(index)), index);
      const parsed = policy.parse(ipOf(index));
      assert.ok('address' in parsed);
      assert.equal(parsed.address.ip, ipOf(index));
    }),
  );
});

test('there is no peer beyond the last, and no peer at the addresses of servers', () => {
  assert.equal(ipOf(MAX_PEERS - 1), '127.254.255.255');
  assert.throws(() => ipOf(MAX_PEERS), RangeError);
  assert.throws(() => ipOf(-1), RangeError);
  for (const ip of ['127.0.0.1', '127.255.0.1', '10.1.0.0', '::1', '']) assert.equal(indexOf(ip), undefined);
});

test('every peer has a canonical UUID', () => {
  fc.assert(fc.property(anyPeer, (index) => assert.equal(parseUuid(uuidOf(index)), uuidOf(index))));
});

test('of each hundred peers as many are broken as promised', () => {
  const counts: Record<string, number> = {};
  for (let index = 300; index < 400; index++) {
    const behaviour = brokenBehaviourOf(index);
    counts[behaviour] = (counts[behaviour] ?? 0) + 1;
  }
  assert.deepEqual(counts, { ...BROKEN_PERCENT, well: 83 });
});
