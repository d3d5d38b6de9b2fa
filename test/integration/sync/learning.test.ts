import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPeer } from '../../support/peer-server.ts';
import {
  failure,
  fakeAddress,
  fakePost,
  INTERVAL_MS,
  KEYS,
  LOCAL_UUID,
  manyConsumers,
  reply,
  silentSource,
  startWorld,
  uuidOf,
  type World,
} from './harness.ts';

async function candidates(world: World): Promise<Record<string, Record<string, unknown>>> {
  const stored = await world.hash(KEYS.candidates);
  return Object.fromEntries(Object.entries(stored).map(([uuid, json]) => [uuid, JSON.parse(json)]));
}

test('a consumer that was introduced is a candidate, and a consumer once it has named itself', async (t) => {
  const world = await startWorld(t);
  const newcomer = await startPeer(t, { body: { uuid: uuidOf(2) } });
  const teacher = await startPeer(t, {
    body: { uuid: uuidOf(1), consumers: [{ uuid: uuidOf(2), ip: newcomer.address }] },
  });
  await world.setConsumers({ [uuidOf(1)]: teacher.address });

  const first = await world.round();
  assert.equal(first.learned, 1);
  assert.equal(newcomer.requests.length, 0);
  const { at, ...candidate } = (await candidates(world))[uuidOf(2)] ?? {};
  assert.deepEqual(candidate, { address: newcomer.address, from: uuidOf(1), failures: 0 });
  assert.equal(typeof at, 'number');

  const second = await world.round();
  assert.equal(second.promoted, 1);
  assert.equal(newcomer.requests.length, 1);
  assert.equal(newcomer.requests[0]?.body, JSON.stringify({ uuid: LOCAL_UUID }));
  assert.deepEqual(second.states, { new: 0, alive: 2, suspect: 0, dead: 0 });
  assert.deepEqual(await world.consumers(), { [uuidOf(1)]: teacher.address, [uuidOf(2)]: newcomer.address });
  assert.equal((await world.health(uuidOf(2))).state, 'alive');
  assert.deepEqual(await candidates(world), {});
});

test('a web server that answers 200 to everything never becomes a consumer', async (t) => {
  const world = await startWorld(t);
  const victim = await startPeer(t);
  const poison = Array.from({ length: 50 }, (_, n) => ({ uuid: uuidOf(100 + n), ip: victim.address }));
  const poisoner = await startPeer(t, { body: { uuid: uuidOf(1), consumers: poison } });
  await world.setConsumers({ [uuidOf(1)]: poisoner.address });

  for (let i = 0; i < 3; i++) {
    await world.round();
    world.advance(INTERVAL_MS);
  }
  assert.deepEqual(Object.keys(await world.consumers()), [uuidOf(1)]);
  assert.equal(Object.keys(await candidates(world)).length, 10);
  assert.equal(victim.requests.length, 2, 'one request a round, however many uuids are said to be there');

  poisoner.respond({ body: { uuid: uuidOf(1) } });
  await world.round();
  assert.deepEqual(await candidates(world), {}, 'dropped after three failures');
});

test('one teacher gets 50 candidates at most, and one round probes 200 and promotes 50', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(8));
  const told = (teacher: number) =>
    Array.from({ length: 60 }, (_, n) => ({
      uuid: uuidOf(1_000 * (teacher + 1) + n),
      ip: `10.${teacher + 100}.${n}.1:7000`,
    }));
  const uuidAt = new Map([...Array(8).keys()].flatMap(told).map(({ uuid, ip }) => [ip, uuid]));
  const teaching = fakePost((address) => {
    const teacher = [...Array(8).keys()].find((n) => fakeAddress(n) === address);
    return reply({
      uuid: teacher === undefined ? undefined : uuidOf(teacher),
      consumers: told(teacher ?? 0),
    });
  });
  assert.equal((await world.round({ post: teaching })).learned, 400);

  const naming = fakePost((address) => reply({ uuid: uuidAt.get(address) }));
  const second = await world.round({ post: naming });
  assert.equal(second.candidateProbes, 200);
  assert.equal(second.promoted, 50);
  assert.equal(await world.test.command('HLEN', KEYS.consumers), 58);
  assert.equal(await world.test.command('HLEN', KEYS.candidates), 350);
});

test('a dead consumer moves to where it names itself, and a living one does not', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({
    [uuidOf(1)]: fakeAddress(1),
    [uuidOf(2)]: fakeAddress(2),
    [uuidOf(3)]: fakeAddress(3),
  });
  const moved = { [fakeAddress(12)]: uuidOf(2), [fakeAddress(13)]: uuidOf(3) };
  const consumers = Object.entries(moved).map(([ip, uuid]) => ({ uuid, ip }));
  const post = fakePost((address) => {
    if (address === fakeAddress(1)) return reply({ uuid: uuidOf(1), consumers });
    if (address === fakeAddress(2)) return failure();
    return reply({ uuid: moved[address] });
  });
  for (let i = 0; i < 3; i++) await world.round({ post });
  assert.equal((await world.health(uuidOf(2))).state, 'dead');
  assert.deepEqual(await candidates(world), {}, 'while it was not yet dead nothing was of interest');

  await world.round({ post });
  assert.deepEqual(Object.keys(await candidates(world)), [uuidOf(2)]);
  const summary = await world.round({ post });

  assert.equal(summary.moved, 1);
  assert.equal(summary.states.alive, 3);
  assert.deepEqual(await world.consumers(), {
    [uuidOf(1)]: fakeAddress(1),
    [uuidOf(2)]: fakeAddress(12),
    [uuidOf(3)]: fakeAddress(3),
  });
  assert.equal((await world.health(uuidOf(2))).address, fakeAddress(12));
});

test('whoever answers in place of another becomes a candidate under the uuid it named', async (t) => {
  const world = await startWorld(t);
  const stranger = await startPeer(t, { body: { uuid: uuidOf(9) } });
  await world.setConsumers({ [uuidOf(1)]: stranger.address });
  await world.round();
  assert.equal((await candidates(world))[uuidOf(9)]?.from, uuidOf(1));
  assert.equal((await world.round()).promoted, 1);
  assert.equal((await world.consumers())[uuidOf(9)], stranger.address);
});

test('of what is heard, ourselves, our address, known consumers and bad addresses are not learned', async (t) => {
  const world = await startWorld(t, { PEER_PORT: '7000' });
  await world.test.command('HSET', KEYS.ip, 'current', '10.0.0.77');
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1), [uuidOf(2)]: fakeAddress(2) });
  const consumers = [
    { uuid: LOCAL_UUID, ip: '10.1.1.1' },
    { uuid: uuidOf(3), ip: '10.0.0.77' },
    { uuid: uuidOf(2), ip: fakeAddress(2) },
    { uuid: uuidOf(2), ip: '10.2.2.2' },
    { uuid: uuidOf(4), ip: '169.254.169.254' },
    { uuid: 'x', ip: '10.1.1.2' },
  ];
  const summary = await world.round({ post: fakePost(() => reply({ consumers })) });
  assert.equal(summary.learned, 0);
  assert.deepEqual(await candidates(world), {});
});

test('a candidate that the API has added meanwhile is given up, unprobed', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const consumers = [{ uuid: uuidOf(2), ip: fakeAddress(2) }];
  await world.round({ post: fakePost(() => reply({ consumers })) });
  await world.setConsumers({ [uuidOf(2)]: fakeAddress(22) });
  const post = fakePost();
  const summary = await world.round({ post });
  assert.equal(summary.candidateProbes, 0);
  assert.deepEqual(await candidates(world), {});
  assert.equal((await world.consumers())[uuidOf(2)], fakeAddress(22));
});

test('a consumer that the API adds while its candidate is probed keeps the address of the API', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const consumers = [{ uuid: uuidOf(2), ip: fakeAddress(2) }];
  await world.round({ post: fakePost(() => reply({ consumers })) });
  const post = fakePost(async (address) => {
    if (address === fakeAddress(2)) await world.setConsumers({ [uuidOf(2)]: fakeAddress(22) });
    return reply(address === fakeAddress(1) ? undefined : { uuid: uuidOf(2) });
  });
  const summary = await world.round({ post });
  assert.equal(summary.promoted, 0);
  assert.equal((await world.consumers())[uuidOf(2)], fakeAddress(22));
});

test('our own outage counts against no candidate', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const consumers = [{ uuid: uuidOf(2), ip: fakeAddress(2) }];
  await world.round({ post: fakePost(() => reply({ consumers })) });
  const source = silentSource();
  for (let i = 0; i < 4; i++) await world.round({ post: fakePost(() => failure()), sources: [source] });
  assert.equal((await candidates(world))[uuidOf(2)]?.failures, 0);
  await world.round({ post: fakePost(() => failure()) });
  assert.equal((await candidates(world))[uuidOf(2)]?.failures, 1);
});

test('a candidate record that is none of ours goes', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(1));
  await world.test.command('HSET', KEYS.candidates, 'x', '1', uuidOf(5), '[]', uuidOf(6), '{"address":"::"}');
  const summary = await world.round({ post: fakePost() });
  assert.equal(summary.candidateProbes, 0);
  assert.deepEqual(await world.hash(KEYS.candidates), {});
});
