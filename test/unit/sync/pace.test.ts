import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../lib/config.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { createCalls, paceMs, shareOf } from '../../../lib/sync/calls.ts';
import { createMachine, invocation } from '../../support/clock.ts';
import { uuidOf } from '../../support/uuids.ts';

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

test('a round that is ended early does not wait for its second calls', async () => {
  const ending = new AbortController();
  const host = createMachine(() => ending.abort());
  const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
  const parsed = policy.parse('8.8.8.8');
  assert.ok('address' in parsed);
  const calls = createCalls({
    config: loadConfig({ LOCAL_UUID: uuidOf(1), REDIS_URL: 'redis://127.0.0.1' }),
    policy,
    post: async () => assert.fail('nobody is called any more'),
    host,
    invocation: invocation({ signal: ending.signal }),
    part: { shard: 0, of: 1 },
    opened: { consumers: 1, lease: { leftMs: () => 30_000, renew: async () => 30_000, lost: false } },
    spread: true,
  });
  const { answer } = await calls.probeAgain(parsed.address);
  assert.equal(answer.kind, 'untried');
  assert.equal(host.watchMs, 0);
});
