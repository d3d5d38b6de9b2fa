import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { chooseCandidates, decodeCandidate, encodeCandidate } from '../../../lib/sync/candidate.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const uuidOf = (n: number) => `10000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const json = (over: object = {}) =>
  encodeCandidate({ address: '8.8.8.8', from: uuidOf(0), at: 5, failures: 0, ...over });
const choose = (flat: string[], ours = '') =>
  chooseCandidates(flat, { policy, isOurs: (uuid, { key }) => uuid === ours || key === ours });

test('at most 200 are probed, those that waited longest first', () => {
  const flat = Array.from({ length: 300 }, (_, n) => [uuidOf(n), json({ at: 1_000 - n })]).flat();
  const { chosen } = choose(flat);
  assert.equal(chosen.length, 200);
  assert.equal(chosen[0]?.uuid, uuidOf(299));
  assert.ok(chosen.every(({ record }, i) => i === 0 || (chosen[i - 1]?.record.at ?? 0) <= record.at));
});

test('what cannot be used, and ourselves, is of no use', () => {
  const bad = [
    'x',
    '{}',
    '[]',
    json({ address: '10.0.0.1' }),
    json({ address: 'x' }),
    json({ failures: -1 }),
  ];
  for (const each of bad)
    assert.deepEqual(choose([uuidOf(1), each]), { chosen: [], useless: [{ uuid: uuidOf(1), json: each }] });
  assert.equal(choose(['no-uuid', json()]).useless.length, 1);
  assert.equal(choose([uuidOf(1).replace('1', 'A'), json()]).useless.length, 1);
  assert.equal(choose([uuidOf(1), json()], uuidOf(1)).useless.length, 1);
  assert.equal(choose([uuidOf(1), json()], '8.8.8.8:80').useless.length, 1);
  assert.equal(choose([uuidOf(1), json()]).chosen.length, 1);
});

test('whatever Redis holds, reading it gives a whole record or none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const record = decodeCandidate(text);
      assert.ok(record === undefined || Number.isInteger(record.failures));
    }),
  );
  assert.equal(decodeCandidate(`{"a":"${'x'.repeat(2_000)}"}`), undefined);
});
