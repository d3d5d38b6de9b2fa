import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParts } from '../../../lib/app.ts';
import { decodePartState } from '../../../lib/store/part-state.ts';
import { readReport } from '../../../report/report.ts';
import { silentLog } from '../../support/log.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  failure,
  fakeAddress,
  fakePost,
  INTERVAL_MS,
  KEYS,
  manyConsumers,
  reply,
  startWorld,
  type World,
} from './harness.ts';

/** More than the page reads one by one. */
const MANY = 2_100;
const OUT_OF_ORDER = 70;

/** What the page shows of consumers. */
async function shown(world: World) {
  const parts = createParts({
    config: world.config,
    log: silentLog,
    invoke: async () => undefined,
    redis: world.redis,
  });
  const { facts } = await readReport(parts, 'page');
  return facts?.consumers ?? assert.fail('no facts');
}

/** The first ones fail once, later ones twice: those have failed most. */
async function roundsWithFailures(world: World): Promise<void> {
  for (const failing of [OUT_OF_ORDER, OUT_OF_ORDER - 10]) {
    const broken = new Set(Array.from({ length: failing }, (_, n) => fakeAddress(n)));
    await world.round({ post: fakePost((address) => (broken.has(address) ? failure() : reply())) });
    world.advance(INTERVAL_MS);
  }
}

test('of many consumers the page shows the 50 worst that the last round found', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(MANY));
  await roundsWithFailures(world);

  const { known, states, countedAt, worst } = await shown(world);
  assert.equal(known, MANY);
  assert.ok(countedAt !== undefined);
  assert.equal(states?.suspect, OUT_OF_ORDER - 10);
  assert.equal(worst.length, 50);
  const worstPossible = new Set<string>(Array.from({ length: OUT_OF_ORDER - 10 }, (_, n) => uuidOf(n)));
  assert.ok(worst.every(({ uuid, state }) => state === 'suspect' && worstPossible.has(uuid)));
});

test('a round that comes across a part of them keeps the worst of the others', async (t) => {
  const world = await startWorld(t, { SYNC_MAX_PROBES_PER_ROUND: '1700' });
  await world.setConsumers(manyConsumers(4_500));
  const broken = new Set(Array.from({ length: 30 }, (_, n) => fakeAddress(n)));
  const post = fakePost((address) => (broken.has(address) ? failure() : reply()));
  // Three rounds come across all, and the last ones across some once more.
  for (let round = 0; round < 5; round++) {
    await world.round({ post });
    world.advance(INTERVAL_MS);
  }

  assert.deepEqual(
    (await worstKept(world)).slice(0, 30).sort(),
    Array.from({ length: 30 }, (_, n) => uuidOf(n)).sort(),
  );
});

test('those that have gone since are not shown, and those that moved are new', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(MANY));
  await roundsWithFailures(world);
  const [gone, moved] = (await shown(world)).worst.map(({ uuid }) => uuid);
  assert.ok(gone !== undefined && moved !== undefined);
  await world.test.command('HDEL', KEYS.consumers, gone);
  await world.setConsumers({ [moved]: '10.200.0.1:7000' });

  const { worst } = await shown(world);
  assert.equal(worst.length, 49);
  assert.ok(worst.every(({ uuid }) => uuid !== gone));
  assert.equal(worst.find(({ uuid }) => uuid === moved)?.state, 'new');
});

test('a round that comes across nobody keeps those of the round before', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(12));
  await world.round({ post: fakePost((address) => (address === fakeAddress(3) ? failure() : reply())) });
  const before = await worstKept(world);
  assert.deepEqual([before.length, before[0]], [12, uuidOf(3)]);
  world.advance(INTERVAL_MS);
  const { stopped, probes } = await world.round({ post: fakePost(), remainingMs: () => 1_000 });
  assert.deepEqual([stopped, probes], ['time', 0]);
  assert.deepEqual(await worstKept(world), before);
});

test('whom a complete pass did not come across is kept no more', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(12));
  await world.round({ post: fakePost((address) => (address === fakeAddress(3) ? failure() : reply())) });
  await world.test.command('HDEL', KEYS.consumers, uuidOf(3));
  world.advance(INTERVAL_MS);
  await world.round({ post: fakePost() });
  const kept = await worstKept(world);
  assert.deepEqual([kept.length, kept.includes(uuidOf(3))], [11, false]);
});

async function worstKept(world: World): Promise<string[]> {
  const { worst } = decodePartState((await world.hash(KEYS.cursor))['0/1'], Number.POSITIVE_INFINITY);
  return worst.map(([field]) => field);
}
