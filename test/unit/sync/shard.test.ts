import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fnv1a, otherShards, shardCount, shardOf } from '../../../lib/sync/shard.ts';

test('the hash is FNV-1a with the reference values', () => {
  // http://www.isthe.com/chongo/src/fnv/test_fnv.c
  assert.equal(fnv1a(''), 0x811c9dc5);
  assert.equal(fnv1a('a'), 0xe40c292c);
  assert.equal(fnv1a('foobar'), 0xbf9cf968);
});

test('every address is in exactly one shard, and the shards are about equally large', () => {
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 10_000; i++) {
    const shard = shardOf(`10.0.${i >> 8}.${i & 255}:80`, counts.length);
    counts[shard] = (counts[shard] ?? Number.NaN) + 1;
  }
  for (const count of counts) assert.ok(count > 1_600 && count < 2_400, String(counts));
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 100 }), (key, of) => {
      const shard = shardOf(key, of);
      return Number.isInteger(shard) && shard >= 0 && shard < of;
    }),
  );
});

test('a round is split above the threshold, into as many shards as it takes and at most the maximum', () => {
  const unlimited = { maxProbes: Number.POSITIVE_INFINITY };
  const rules = { ...unlimited, shardAbove: 100, maxShards: 5 };
  assert.deepEqual(
    [0, 1, 100, 101, 200, 201, 500, 501, 1_000_000].map((n) => shardCount(n, rules)),
    [1, 1, 1, 2, 2, 3, 5, 5, 5],
  );
  assert.equal(shardCount(1_000, { ...unlimited, shardAbove: 1, maxShards: 1 }), 1);
  assert.equal(shardCount(1_000, { ...rules, maxProbes: 250 }), 3, 'only what it may probe counts');
  assert.equal(shardCount(1_000, { ...rules, maxProbes: 100 }), 1);
  const many = { shardAbove: 1, maxShards: 100, maxProbes: 100 };
  assert.equal(shardCount(1_000, many), 5, 'each can make 2 second calls and call a candidate');
});

test('the other shards are all but the first', () => {
  assert.deepEqual(otherShards('r', 7, 1), []);
  assert.deepEqual(otherShards('r', 7, 3), [
    { round: 'r', at: 7, shard: 1, of: 3, depth: 1 },
    { round: 'r', at: 7, shard: 2, of: 3, depth: 1 },
  ]);
});
