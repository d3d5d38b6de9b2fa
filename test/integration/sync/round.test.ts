import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventError, IdentityError, RedisReplyError } from '../../../lib/errors.ts';
import { startPeer } from '../../support/peer-server.ts';
import { pairs } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  failure,
  fakeAddress,
  fakePost,
  INTERVAL_MS,
  KEYS,
  LOCAL_UUID,
  manyConsumers,
  reply,
  startWorld,
} from './harness.ts';

test('a round posts our UUID to every consumer and notes who is alive', async (t) => {
  const world = await startWorld(t);
  const peers = await Promise.all([startPeer(t), startPeer(t, { body: { uuid: uuidOf(2) } })]);
  await world.setConsumers({ [uuidOf(1)]: peers[0].address, [uuidOf(2)]: peers[1].address });

  const summary = await world.round();

  for (const peer of peers) {
    assert.equal(peer.requests.length, 1);
    const [request] = peer.requests;
    assert.equal(request?.method, 'POST');
    assert.equal(request?.path, '/sync');
    assert.equal(request?.body, JSON.stringify({ uuid: LOCAL_UUID }));
    assert.equal(request?.headers['content-type'], 'application/json');
  }
  assert.deepEqual(summary.states, { new: 0, alive: 2, suspect: 0, dead: 0 });
  assert.equal(summary.complete, true);
  assert.equal(summary.stopped, undefined);
  const health = await world.health(uuidOf(1));
  assert.equal(health.state, 'alive');
  assert.equal(health.address, peers[0].address);
  assert.equal(health.since, health.lastOk);
  assert.equal(await world.test.command('EXISTS', KEYS.lease('sync:0')), 0);
});

test('the summary of a round is kept in the stream', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3));
  const summary = await world.round({ post: fakePost(() => failure('reset')), requestId: 'request-7' });

  const entries = await world.test.command('XRANGE', KEYS.rounds, '-', '+');
  assert.ok(Array.isArray(entries) && entries.length === 1);
  const entry = pairs(entries[0][1]);
  assert.equal(entry.round, 'request-7');
  assert.equal(entry.shard, '0');
  assert.equal(entry.of, '1');
  assert.equal(entry.at, String(summary.at));
  const kept = JSON.parse(entry.summary ?? '');
  assert.deepEqual(kept.states, { new: 0, alive: 0, suspect: 3, dead: 0 });
  assert.deepEqual(kept.errors, { reset: 3 });
  assert.equal(kept.probes, 3);
  assert.equal(kept.complete, true);
});

test('a consumer that stops answering becomes suspect, dead, and is probed again with backoff', async (t) => {
  const world = await startWorld(t);
  const peer = await startPeer(t);
  await world.setConsumers({ [uuidOf(1)]: peer.address });
  const states: unknown[] = [];
  const nextRound = async () => {
    const { probes } = await world.round();
    states.push([(await world.health(uuidOf(1))).state, probes]);
    world.advance(INTERVAL_MS);
  };

  await nextRound();
  peer.respond(() => 'reset');
  for (let i = 0; i < 9; i++) await nextRound();
  assert.deepEqual(states, [
    ['alive', 1],
    ['suspect', 1],
    ['suspect', 1],
    ['dead', 1],
    ['dead', 0],
    ['dead', 1],
    ['dead', 0],
    ['dead', 0],
    ['dead', 0],
    ['dead', 1],
  ]);
  const dead = await world.health(uuidOf(1));
  assert.equal(dead.lastError, 'reset');
  assert.equal(dead.fails, 5);
  assert.ok(Number(dead.lastOk) < Number(dead.since));

  peer.respond({});
  world.advance(2 * 3_600_000);
  assert.equal((await world.round()).states.alive, 1);
});

test('a dead consumer that moved is probed at once', async (t) => {
  const world = await startWorld(t);
  const peer = await startPeer(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  for (let i = 0; i < 4; i++) {
    await world.round({ post: fakePost(() => failure()) });
    world.advance(INTERVAL_MS);
  }
  assert.equal((await world.health(uuidOf(1))).state, 'dead');

  await world.setConsumers({ [uuidOf(1)]: peer.address });
  const { states } = await world.round();

  assert.equal(peer.requests.length, 1);
  assert.deepEqual(states, { new: 0, alive: 1, suspect: 0, dead: 0 });
  assert.equal((await world.health(uuidOf(1))).fails, undefined);
});

test('a busy consumer is alive, and its Retry-After is honoured', async (t) => {
  const world = await startWorld(t);
  const peer = await startPeer(t, { status: 503, headers: { 'retry-after': '900' } });
  await world.setConsumers({ [uuidOf(1)]: peer.address });

  assert.equal((await world.round()).states.alive, 1);
  world.advance(890_000);
  assert.equal((await world.round()).probes, 0);
  world.advance(20_000);
  assert.equal((await world.round()).probes, 1);
  assert.equal(peer.requests.length, 2);
});

test('at one address who is named is alive, and the others are somebody else', async (t) => {
  const world = await startWorld(t);
  const peer = await startPeer(t, { body: { uuid: uuidOf(2) } });
  await world.setConsumers({
    [uuidOf(1)]: peer.address,
    [uuidOf(2)]: peer.address,
    [uuidOf(3)]: peer.address,
  });

  const summary = await world.round();

  assert.equal(peer.requests.length, 1);
  assert.equal((await world.health(uuidOf(2))).state, 'alive');
  for (const n of [1, 3]) assert.equal((await world.health(uuidOf(n))).lastError, 'wrong-identity');
  assert.deepEqual(summary.errors, { 'wrong-identity': 2 });
});

test('at one address an answer without a name counts for all', async (t) => {
  const world = await startWorld(t);
  const peer = await startPeer(t);
  await world.setConsumers({ [uuidOf(1)]: peer.address, [uuidOf(2)]: peer.address });
  assert.equal((await world.round()).states.alive, 2);
  assert.equal(peer.requests.length, 1);
});

test('10,000 uuids at one address cost at most one request a page', async (t) => {
  const world = await startWorld(t);
  const peer = await startPeer(t);
  const consumers = Array.from({ length: 10_000 }, (_, n) => [uuidOf(n), peer.address] as const);
  await world.setConsumers(Object.fromEntries(consumers));

  const summary = await world.round();

  assert.equal(summary.states.alive, 10_000);
  // HSCAN may answer a page without an entry.
  assert.ok(peer.requests.length <= summary.pages, `${peer.requests.length} requests`);
  assert.ok(summary.pages <= 11, `${summary.pages} pages`);
});

test('our own uuid and our own address are not probed, but an address that was ours before is', async (t) => {
  const world = await startWorld(t, { PEER_PORT: '7000' });
  await world.test.command('HSET', KEYS.ip, 'current', '10.0.0.1', 'previous', '10.0.0.2');
  await world.setConsumers({
    [LOCAL_UUID]: '10.0.0.9:7000',
    [uuidOf(1)]: '10.0.0.1',
    [uuidOf(2)]: '10.0.0.2:7000',
    [uuidOf(3)]: '10.0.0.1:7001',
  });
  const post = fakePost();
  const { skipped } = await world.round({ post });
  assert.deepEqual(post.calls.toSorted(), ['10.0.0.1:7001', '10.0.0.2:7000']);
  assert.deepEqual(skipped, { self: 2 });
  assert.equal(world.logs.filter(({ level }) => level === 'warn').length, 0);
});

test('entries that cannot be used are skipped, counted, logged once without their bytes, and left alone', async (t) => {
  const world = await startWorld(t);
  const bad = {
    'no-uuid': '10.0.0.1:80',
    [uuidOf(1)]: 'example.com',
    [uuidOf(2)]: '169.254.169.254:80',
    [uuidOf(3)]: '192.168.0.1:80',
    [uuidOf(4)]: `\u0000\r\n${'x'.repeat(100_000)}`,
  };
  await world.setConsumers({ ...bad, [uuidOf(5)]: fakeAddress(5) });
  const post = fakePost();

  const summary = await world.round({ post });

  assert.deepEqual(post.calls, [fakeAddress(5)]);
  assert.deepEqual(summary.skipped, {
    'not-a-uuid': 1,
    'not-an-address': 2,
    forbidden: 1,
    'not-public': 1,
  });
  const warnings = world.logs.filter(({ level }) => level === 'warn');
  assert.equal(warnings.length, 1);
  assert.doesNotMatch(JSON.stringify(warnings), /example|169\.254|xxx/);
  assert.deepEqual(await world.consumers(), { ...bad, [uuidOf(5)]: fakeAddress(5) });
});

test('a health record that is none of ours is overwritten', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(4));
  const future = { state: 'alive', address: fakeAddress(3), since: 1, lastOk: 9e12, recent: 'A'.repeat(20) };
  for (const [n, poison] of [
    '[1]',
    '{"state":"dead"',
    'x'.repeat(100_000),
    JSON.stringify(future),
  ].entries()) {
    await world.test.command('HSET', KEYS.health, uuidOf(n), poison);
  }
  const summary = await world.round({ post: fakePost() });
  assert.equal(summary.probes, 4);
  for (const n of [0, 1, 2, 3]) assert.equal((await world.health(uuidOf(n))).state, 'alive');
});

test('a uuid in capitals keeps its spelling as the field of its health', async (t) => {
  const world = await startWorld(t);
  const uuid = 'ABCDEF00-0000-4000-8000-00000000000A';
  await world.setConsumers({ [uuid]: fakeAddress(1) });
  const post = fakePost(() => reply({ uuid: uuid.toLowerCase() }));
  for (let i = 0; i < 2; i++) await world.round({ post });
  assert.equal((await world.health(uuid)).state, 'alive');
  assert.deepEqual(Object.keys(await world.hash(KEYS.health)), [uuid]);
});

test('health of a consumer that the API removed goes, page by page', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(2_500));
  await world.round({ post: fakePost() });
  assert.equal(await world.test.command('HLEN', KEYS.health), 2_500);
  const gone = Object.keys(manyConsumers(2_400));
  await world.test.command('HDEL', KEYS.consumers, ...gone);

  let forgotten = 0;
  for (let i = 0; i < 8; i++) forgotten += (await world.round({ post: fakePost() })).forgotten;

  assert.equal(forgotten, 2_400);
  assert.deepEqual(
    Object.keys(await world.hash(KEYS.health)).sort(),
    Object.keys(manyConsumers(100, 2_400)).sort(),
  );
});

test('a key of ours that holds another type fails the round with a clear error and no probe', async (t) => {
  for (const key of [KEYS.consumers, KEYS.health, KEYS.cursor]) {
    const world = await startWorld(t);
    if (key !== KEYS.consumers) await world.setConsumers(manyConsumers(1));
    await world.test.command('RPUSH', key, 'x');
    const post = fakePost();
    await assert.rejects(
      () => world.round({ post }),
      (error) =>
        error instanceof RedisReplyError && error.code === 'WRONGTYPE' && error.message.includes(key),
    );
    assert.deepEqual(post.calls, []);
    await world.test.stop();
  }
});

test('a round does without the register, the candidates and the stream if they hold another type', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(1));
  for (const key of [KEYS.ip, KEYS.candidates, KEYS.rounds]) await world.test.command('SET', key, 'x');
  const told = { consumers: [{ uuid: uuidOf(9), ip: '10.9.9.9' }] };

  const summary = await world.round({ post: fakePost(() => reply(told)) });

  assert.equal(summary.states.alive, 1);
  assert.equal(summary.complete, true);
  assert.deepEqual(
    world.logs.filter(({ level }) => level === 'warn').map(({ fields }) => fields?.keys),
    [['ip', 'consumers:candidates'], undefined, ['sync:rounds']],
  );
  for (const key of [KEYS.ip, KEYS.candidates, KEYS.rounds])
    assert.equal(await world.test.command('GET', key), 'x');
});

test('a Redis of another consumer is refused, and nothing is written', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(1));
  await world.test.command('SET', KEYS.uuid, uuidOf(77));
  const post = fakePost();
  await assert.rejects(() => world.round({ post }), IdentityError);
  assert.deepEqual(post.calls, []);
  assert.equal(await world.test.command('DBSIZE'), 2);
});

test('a bad event is refused before Redis is asked', async (t) => {
  const world = await startWorld(t);
  await assert.rejects(() => world.round({ event: { shard: 1 } }), EventError);
  await assert.rejects(() => world.round({ event: null }), EventError);
  assert.equal(world.redis.trips, 0);
});

test('a round takes three commands a page and two more: at most four per 1,000 consumers', async (t) => {
  const world = await startWorld(t);
  // No whole thousands: HSCAN may stop right behind the last entry and have an empty page follow.
  for (const count of [1_900, 9_900]) {
    await world.setConsumers(manyConsumers(count));
    await world.round({ post: fakePost() });
    world.redis.reset();
    const summary = await world.round({ post: fakePost() });
    assert.equal(summary.states.alive, count);
    assert.equal(summary.commands, world.redis.sent.length);
    assert.ok(summary.commands <= 2 + 3 * summary.pages, world.redis.sent.join(' '));
    if (world.test.kind === 'real')
      assert.ok(summary.commands <= 4 * Math.ceil(count / 1_000), `${summary.commands}`);
  }
});

test('an empty network costs four commands', async (t) => {
  const world = await startWorld(t);
  await world.round();
  world.redis.reset();
  const summary = await world.round();
  assert.equal(summary.complete, true);
  assert.equal(summary.inconclusive, false);
  assert.deepEqual(world.redis.sent, ['TIME', 'open-round', 'HSCAN', 'write-page']);
});

test('a round works over REST as well', async (t) => {
  const world = await startWorld(t, {}, { transport: 'rest' });
  await world.setConsumers(manyConsumers(1_500));
  const summary = await world.round({ post: fakePost() });
  assert.equal(summary.states.alive, 1_500);
  assert.equal(await world.test.command('HLEN', KEYS.health), 1_500);
});
