import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paceMs, shareOf } from '../../../lib/sync/calls.ts';

test('a host starts 30 calls a second at most, or as many as end in 80 % of the time', () => {
  const perSecond = (calls: number, withinMs: number) => 1_000 / paceMs(calls, withinMs);
  assert.equal(Math.round(perSecond(10, 240_000)), 30);
  assert.equal(Math.round(perSecond(5_760, 240_000)), 30);
  assert.equal(Math.round(perSecond(19_200, 240_000)), 100);
});

test('the shards of a round share its budget to the last call', () => {
  const shares = [0, 1, 2].map((shard) => shareOf(1_001, { shard, of: 3 }));
  assert.deepEqual(shares, [334, 334, 333]);
  assert.equal(shareOf(Number.POSITIVE_INFINITY, { shard: 0, of: 3 }), Number.POSITIVE_INFINITY);
});
