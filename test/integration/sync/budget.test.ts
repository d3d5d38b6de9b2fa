import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoundSummary } from '../../../lib/sync/summary.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  failure,
  fakePost,
  INTERVAL_MS,
  KEYS,
  manyConsumers,
  reply,
  startWorld,
  type World,
} from './harness.ts';

/** Rounds in a row, an interval apart; which of them called each address. */
async function rounds(world: World, count: number, post = fakePost(), instant = false) {
  const summaries: RoundSummary[] = [];
  const calledIn = new Map<string, number[]>();
  for (let round = 0; round < count; round++) {
    const before = post.calls.length;
    summaries.push(await world.round({ post, instant }));
    for (const address of post.calls.slice(before)) {
      calledIn.set(address, [...(calledIn.get(address) ?? []), round]);
    }
    world.advance(INTERVAL_MS);
  }
  return { summaries, calledIn };
}

test('a round makes no more calls than its budget, and everyone is reached in turn', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '700' });
  await world.setConsumers(manyConsumers(3_500));
  const { summaries, calledIn } = await rounds(world, 12);

  // A tenth is kept for second calls.
  assert.ok(summaries.every(({ probes }) => probes <= 630));
  assert.equal(calledIn.size, 3_500);
  assert.deepEqual(new Set([...calledIn.values()].map(({ length }) => length)), new Set([2]));
  for (const [first = 0, second = 0] of calledIn.values())
    assert.ok(second - first >= 1 && second - first <= 11);
  assert.deepEqual(
    summaries.map(({ complete, stopped }) => (complete ? 'complete' : stopped)),
    [0, 1].flatMap(() => ['budget', 'budget', 'budget', 'budget', 'budget', 'complete']),
  );
});

test('second calls come out of the budget, and it has a part that only they may use', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '100' });
  await world.setConsumers(manyConsumers(90));
  await world.round({ post: fakePost() });
  world.advance(INTERVAL_MS);
  const post = fakePost((_, before) => (before < 20 ? failure() : reply()));
  const summary = await world.round({ post });
  assert.equal(summary.probes, 90);
  assert.equal(summary.secondProbes, 10);
  assert.equal(summary.unjudged, 10, 'no verdict without a second call');
  assert.equal(post.calls.length, 100);
});

test('a budget that is large enough changes nothing', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '2800' });
  await world.setConsumers(manyConsumers(2_500));
  const { summaries } = await rounds(world, 2);
  for (const { probes, complete, stopped, resumed } of summaries) {
    assert.deepEqual(
      { probes, complete, stopped, resumed },
      {
        probes: 2_500,
        complete: true,
        stopped: undefined,
        resumed: false,
      },
    );
  }
});

test('a round whose budget outgrows the consumers that are left calls nobody twice', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '1112' });
  await world.setConsumers(manyConsumers(1_500));
  const { calledIn } = await rounds(world, 1);
  const removed = Object.keys(manyConsumers(1_000));
  await world.test.command('HDEL', KEYS.consumers, ...removed);
  const post = fakePost();
  const { summaries } = await rounds(world, 1, post);
  const left = Object.values(manyConsumers(500, 1_000)).filter((address) => !calledIn.has(address));
  assert.deepEqual(post.calls.toSorted(), left.toSorted());
  assert.equal(summaries[0]?.complete, true);
  assert.equal(summaries[0]?.stopped, undefined);
  assert.equal(await world.position(), undefined, 'the next pass starts at the front');
});

test('the dead that are left alone cost no budget', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '100' });
  await world.setConsumers(manyConsumers(200));
  const dead = (address: string) => Number(/^10\.0\.0\.(\d+):/.exec(address)?.[1]) < 40;
  const post = fakePost((address) => (dead(address) ? failure() : reply()));
  await rounds(world, 30, post);
  const before = post.calls.length;
  await rounds(world, 4, post);
  const well = post.calls.slice(before).filter((address) => !dead(address));
  assert.ok(
    well.length > 300,
    `${well.length} of 400 calls went to those who live; even turns would give 288`,
  );
});

test('candidates take a tenth of the budget at most, however many there are', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '100' });
  const inNetworksOfTheirOwn = Array.from(
    { length: 250 },
    (_, n) => [uuidOf(n), `10.50.${n}.1:7000`] as const,
  );
  await world.setConsumers(Object.fromEntries(inNetworksOfTheirOwn));
  const introduce = (teacher: number) =>
    Array.from({ length: 50 }, (_, i) => ({
      uuid: uuidOf(10_000 + teacher * 100 + i),
      ip: `10.${100 + teacher}.${i}.9:7000`,
    }));
  let told = 0;
  const teachers = fakePost(() => reply({ consumers: introduce(told++) }));
  await rounds(world, 1, teachers);
  const { summaries } = await rounds(world, 4);
  for (const { candidateProbes, probes } of summaries) {
    assert.equal(candidateProbes, 9);
    assert.ok(probes > 0 && probes <= 81);
  }
});

test('the shards of a round share the budget, and it needs no more of them than it can use', async (t) => {
  const world = await startWorld(t, {
    SYNC_MAX_PROBES_PER_ROUND: '1001',
    SYNC_SHARD_ABOVE: '500',
    SYNC_MAX_SHARDS: '4',
  });
  await world.setConsumers(manyConsumers(4_000));
  const calledIn = new Map<string, number>();
  for (let round = 0; round < 5; round++) {
    const post = fakePost();
    const from = world.invoked.length;
    const first = await world.round({ post });
    assert.equal(first.of, 3);
    for (const event of world.invoked.slice(from)) await world.round({ post, event });
    assert.ok(post.calls.length <= 1_001);
    for (const address of post.calls) calledIn.set(address, (calledIn.get(address) ?? 0) + 1);
    world.advance(INTERVAL_MS);
  }
  assert.equal(calledIn.size, 4_000);
  assert.ok([...calledIn.values()].every((times) => times <= 2));
});
