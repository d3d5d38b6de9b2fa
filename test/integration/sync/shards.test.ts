import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHealth } from '../../../lib/store/health-record.ts';
import { shardOf } from '../../../lib/sync/shard.ts';
import type { RoundSummary } from '../../../lib/sync/summary.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  deadRecord,
  fakeAddress,
  fakePost,
  INTERVAL_MS,
  KEYS,
  manyConsumers,
  reply,
  startWorld,
} from './harness.ts';

const SPLIT = { SYNC_SHARD_ABOVE: '250', SYNC_MAX_SHARDS: '4' };

test('a round above the threshold runs in shards that probe every address once between them', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers({ ...manyConsumers(875), 'no-uuid': 'x' });
  const posts = [0, 1, 2, 3].map(() => fakePost());

  const first = await world.round({ post: posts[0], requestId: 'the-round' });
  assert.equal(first.of, 4);
  assert.equal(first.shardsStarted, 3);
  assert.deepEqual(
    world.invoked,
    [1, 2, 3].map((shard) => ({ round: 'the-round', at: first.at, shard, of: 4, depth: 1 })),
  );
  const others = await Promise.all(
    world.invoked.map((event) => world.round({ post: posts[event.shard], event })),
  );

  for (const [shard, { calls }] of posts.entries()) {
    assert.ok(calls.length > 0 && calls.every((address) => shardOf(address, 4) === shard));
  }
  const all: RoundSummary[] = [first, ...others];
  const calls = posts.flatMap((post) => post.calls);
  assert.equal(calls.length, 875);
  assert.equal(new Set(calls).size, 875);
  assert.equal(
    all.reduce((sum, { states }) => sum + states.alive, 0),
    875,
  );
  assert.equal(
    all.reduce((sum, { skipped }) => sum + (skipped['not-a-uuid'] ?? 0), 0),
    1,
  );
  assert.ok(all.every(({ round, complete }) => round === 'the-round' && complete));
  assert.equal(await world.test.command('HLEN', KEYS.health), 875);
  assert.equal(await world.test.command('XLEN', KEYS.rounds), 4);
  assert.equal(world.invoked.length, 3, 'a shard invokes nothing');
});

test('the dead that called us are due in the round of each shard', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers(manyConsumers(875));
  const dead = Array.from({ length: 40 }, (_, n) => n);
  const health = dead.flatMap((n) => [uuidOf(n), encodeHealth(deadRecord(fakeAddress(n)))]);
  await world.test.command('HSET', KEYS.health, ...health);
  await world.test.command('SADD', KEYS.called, ...dead.map(uuidOf));
  const post = fakePost();
  // Each shard runs as soon as it is invoked.
  await world.round({ post, invoke: async (_, event) => void (await world.round({ post, event })) });
  assert.equal(new Set(post.calls).size, 875);
});

test('a shard that was lost is due in the next round', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers(manyConsumers(875));
  const post = fakePost();
  await world.round({ post });
  const [one, two] = world.invoked;
  for (const event of [one, two]) await world.round({ post, event });
  world.advance(INTERVAL_MS);

  const next = fakePost();
  await world.round({ post: next });
  for (const event of world.invoked.slice(3)) await world.round({ post: next, event });
  assert.equal(new Set(next.calls).size, 875);
  assert.equal(await world.test.command('HLEN', KEYS.health), 875);
});

test('a shard that cannot be started is counted, and the rest of the round runs', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers(manyConsumers(875));
  const summary = await world.round({
    post: fakePost(),
    invoke: async (_, payload) => {
      if (Object.entries(payload as object).some(([key, value]) => key === 'shard' && value === 2))
        throw new Error('throttled');
    },
  });
  assert.equal(summary.shardsStarted, 2);
  assert.equal(summary.shardsLost, 1);
  assert.equal(summary.complete, true);
});

test('a shard that comes twice does nothing the second time, at once or later', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers(manyConsumers(875));
  await world.round({ post: fakePost() });
  const [event] = world.invoked;
  const post = fakePost();
  const twice = await Promise.all([world.round({ post, event }), world.round({ post, event })]);
  assert.deepEqual(twice.map(({ stopped }) => stopped ?? 'done').sort(), ['done', 'held']);
  const once = post.calls.length;
  const again = await world.round({ post, event });
  assert.equal(post.calls.length, once);
  assert.equal(again.probes, 0);
});

test('a shard of a round that began more than an interval ago does nothing', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers(manyConsumers(875));
  await world.round({ post: fakePost() });
  world.advance(INTERVAL_MS + 1_000);
  world.redis.reset();
  const post = fakePost();
  const summary = await world.round({ post, event: world.invoked[0] });
  assert.equal(summary.stopped, 'late');
  assert.deepEqual(post.calls, []);
  assert.deepEqual(world.redis.sent, ['TIME']);
});

test('a shard that runs out of time goes on with its own cursor in the next round', async (t) => {
  const world = await startWorld(t, { ...SPLIT, SYNC_CONCURRENCY: '8' });
  await world.setConsumers(manyConsumers(875));
  const reached = new Set<string>();
  for (let round = 0; round < 12; round++) {
    world.invoked.length = 0;
    const step = () => {
      const post = fakePost((address) => {
        reached.add(address);
        return reply();
      });
      return { post, remainingMs: () => (post.calls.length < 25 ? 240_000 : 0) };
    };
    await world.round(step());
    for (const event of world.invoked) await world.round({ ...step(), event });
    world.advance(INTERVAL_MS);
  }
  assert.equal(reached.size, 875);
});

test('only the first shard probes candidates', async (t) => {
  const world = await startWorld(t, SPLIT);
  await world.setConsumers(manyConsumers(875));
  await world.round({ post: fakePost() });
  const json = JSON.stringify({ address: '10.200.0.1:7000', from: 'x', at: 1, failures: 0 });
  await world.test.command('HSET', KEYS.candidates, '20000000-0000-4000-8000-000000000001', json);
  for (const event of world.invoked) {
    const post = fakePost();
    await world.round({ post, event });
    assert.ok(!post.calls.includes('10.200.0.1:7000'));
    assert.ok(post.calls.every((address) => shardOf(address, 4) === event.shard));
  }
});

test('without the name of the function a round is never split', async (t) => {
  const world = await startWorld(t, { ...SPLIT, SYNC_FUNCTION: '' });
  await world.setConsumers(manyConsumers(625));
  const summary = await world.round({ post: fakePost() });
  assert.equal(summary.of, 1);
  assert.equal(summary.states.alive, 625);
});
