import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uuidOf } from '../../support/uuids.ts';
import {
  answeringSource,
  failure,
  fakePost,
  INTERVAL_MS,
  KEYS,
  manyConsumers,
  reply,
  silentSource,
  startWorld,
} from './harness.ts';

for (const count of [1, 2, 3, 50]) {
  test(`with ${count} consumers, our own outage paints nobody suspect`, async (t) => {
    const world = await startWorld(t);
    await world.setConsumers(manyConsumers(count));
    await world.round({ post: fakePost() });
    const before = await world.hash(KEYS.health);

    const source = silentSource();
    const summary = await world.round({ post: fakePost(() => failure()), sources: [source] });

    assert.equal(summary.inconclusive, true);
    assert.equal(summary.stopped, 'outage');
    assert.equal(summary.states.alive, count);
    assert.equal(source.asked, 1);
    assert.deepEqual(await world.hash(KEYS.health), before);
    assert.equal(await world.position(), undefined, 'the cursor moved past the page');
  });
}

test('if a source answers, it is the consumers that fail', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(2));
  const source = answeringSource();
  const summary = await world.round({ post: fakePost(() => failure()), sources: [silentSource(), source] });
  assert.equal(summary.inconclusive, false);
  assert.equal(summary.states.suspect, 2);
  assert.equal(source.asked, 1);
});

test('without a service to ask the failures count', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(2));
  const summary = await world.round({ post: fakePost(() => failure()), sources: [] });
  assert.equal(summary.states.suspect, 2);
});

test('as long as anybody answers no source is asked', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3));
  const source = silentSource();
  const summary = await world.round({
    post: fakePost((_, before) => (before === 0 ? reply() : failure())),
    sources: [source],
  });
  assert.equal(source.asked, 0);
  assert.deepEqual(summary.states, { new: 0, alive: 1, suspect: 2, dead: 0 });
});

test('a page without a probe is no page in which all failed', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(1));
  for (let i = 0; i < 3; i++) {
    await world.round({ post: fakePost(() => failure()) });
    world.advance(INTERVAL_MS);
  }
  const source = silentSource();
  const summary = await world.round({ post: fakePost(), sources: [source] });
  assert.equal(summary.states.dead, 1);
  assert.equal(summary.inconclusive, false);
  assert.equal(source.asked, 0);
});

test('an outage in the middle of a round ends it after a few pages, and nobody is dead of it', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(20_000));
  const source = silentSource();
  const post = fakePost((_, before) => (before < 2_500 ? reply() : failure()));

  const summary = await world.round({ post, sources: [source] });

  assert.equal(summary.inconclusive, true);
  assert.equal(summary.complete, false);
  assert.equal(summary.states.dead, 0);
  assert.ok(summary.states.alive >= 2_500);
  // Three pages are open, and each call is tried twice.
  assert.ok(post.calls.length < 16_500, `${post.calls.length} probes`);
  assert.ok(source.asked >= 1 && source.asked <= 4, 'once a page');
  assert.equal((await world.health(uuidOf(0))).state === 'dead', false);
});

test('after an outage the next round goes on with the pages that are left', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(5_000));
  await world.round({ post: fakePost(() => failure()), sources: [silentSource()] });
  let rounds = 0;
  for (let complete = false; !complete; rounds++) ({ complete } = await world.round({ post: fakePost() }));
  await world.round({ post: fakePost() });
  assert.equal(await world.test.command('HLEN', KEYS.health), 5_000);
  assert.equal(rounds, 1);
});
