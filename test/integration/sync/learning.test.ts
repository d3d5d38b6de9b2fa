import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPeer } from '../../support/peer-server.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  failure,
  fakeAddress,
  fakePost,
  INTERVAL_MS,
  KEYS,
  LOCAL_UUID,
  reply,
  silentSource,
  startWorld,
  type World,
} from './harness.ts';

/** Candidates by their uuid, without when they were heard of and their slots. */
async function candidates(world: World): Promise<Record<string, Record<string, unknown>>> {
  const { secret, ...slots } = await world.hash(KEYS.candidates);
  assert.ok(secret === undefined || /^[0-9a-f]{32}$/.test(secret));
  return Object.fromEntries(
    Object.values(slots).map((json) => {
      const { uuid, at, ...candidate } = JSON.parse(json);
      assert.equal(typeof at, 'number');
      return [uuid, candidate];
    }),
  );
}

/** The `n`-th address in a network of its own. */
function elsewhere(n: number): string {
  return `10.${100 + (n >> 8)}.${n & 255}.1:7000`;
}

test('a consumer that was introduced is probed in the same round, and is a consumer once it has named itself', async (t) => {
  const world = await startWorld(t);
  const newcomer = await startPeer(t, { status: 500 });
  const teacher = await startPeer(t, {
    body: { uuid: uuidOf(1), consumers: [{ uuid: uuidOf(2), ip: newcomer.address }] },
  });
  await world.setConsumers({ [uuidOf(1)]: teacher.address });

  const first = await world.round();
  assert.deepEqual([first.learned, first.introducing, first.candidateProbes], [1, 1, 1]);
  assert.deepEqual(await candidates(world), {
    [uuidOf(2)]: { address: newcomer.address, from: uuidOf(1), failures: 1 },
  });

  newcomer.respond({ body: { uuid: uuidOf(2) } });
  const second = await world.round();
  assert.equal(second.promoted, 1);
  assert.equal(second.introducing, 1, 'the newcomer, a candidate until now, introduces nobody');
  assert.equal(newcomer.requests.length, 2);
  assert.equal(newcomer.requests[1]?.body, JSON.stringify({ uuid: LOCAL_UUID }));
  assert.deepEqual(second.states, { new: 0, alive: 2, suspect: 0, dead: 0 });
  assert.deepEqual(await world.consumers(), { [uuidOf(1)]: teacher.address, [uuidOf(2)]: newcomer.address });
  const { state, address, named } = await world.health(uuidOf(2));
  assert.deepEqual({ state, address, named }, { state: 'alive', address: newcomer.address, named: true });
  assert.deepEqual(await candidates(world), {});
  assert.deepEqual(
    JSON.parse((await world.test.command('GET', KEYS.reply)) as string).consumers.map(
      ({ uuid }: { uuid: string }) => uuid,
    ),
    [uuidOf(1), uuidOf(2)],
    'and is told of in the same round',
  );
});

test('a round that has called everyone is complete, even if no time is left for whom it has just heard of', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const post = fakePost(() => reply({ consumers: [{ uuid: uuidOf(2), ip: elsewhere(2) }] }));
  const summary = await world.round({ post, remainingMs: () => (post.calls.length === 0 ? 240_000 : 0) });
  assert.deepEqual([summary.complete, summary.stopped], [true, undefined]);
  assert.deepEqual([summary.learned, summary.candidateProbes], [1, 0]);
});

test('all that one teacher names are candidates after one round, if they are few enough for its slots', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const consumers = Array.from({ length: 10 }, (_, n) => ({ uuid: uuidOf(100 + n), ip: elsewhere(n) }));
  const { learned } = await world.round({ post: fakePost(() => reply({ consumers })), random: Math.random });
  assert.equal(learned, 10);
});

test('a web server that answers 200 to everything never becomes a consumer', async (t) => {
  const world = await startWorld(t);
  const victim = await startPeer(t);
  const poison = Array.from({ length: 50 }, (_, n) => ({ uuid: uuidOf(100 + n), ip: victim.address }));
  const poisoner = await startPeer(t, { body: { uuid: uuidOf(1), consumers: poison } });
  await world.setConsumers({ [uuidOf(1)]: poisoner.address });

  for (let i = 0; i < 2; i++) {
    await world.round();
    world.advance(INTERVAL_MS);
  }
  assert.deepEqual(Object.keys(await world.consumers()), [uuidOf(1)]);
  const held = Object.keys(await candidates(world)).length;
  assert.ok(held > 1 && held <= 16, 'a network reaches 16 slots');
  assert.equal(victim.requests.length, 2, 'one request a round, however many uuids are said to be there');

  poisoner.respond({ body: { uuid: uuidOf(1) } });
  for (let i = 0; i < 3; i++) await world.round();
  assert.deepEqual(await candidates(world), {}, 'dropped after three failures');
});

test('the teachers of one network reach 16 slots, one round probes 200 candidates and promotes 50', async (t) => {
  const world = await startWorld(t);
  const teachers = Array.from({ length: 60 }, (_, n) => [uuidOf(n), elsewhere(n)] as const);
  await world.setConsumers(Object.fromEntries(teachers));
  const told = (teacher: number) =>
    Array.from({ length: 50 }, (_, n) => ({
      uuid: uuidOf(1_000 * (teacher + 1) + n),
      ip: `10.${teacher + 120}.${n}.1:7000`,
    }));
  const uuidAt = new Map([...teachers.keys()].flatMap(told).map(({ uuid, ip }) => [ip, uuid]));
  const teaching = fakePost((address) => {
    const teacher = teachers.findIndex(([, at]) => at === address);
    return reply({ uuid: teachers[teacher]?.[0], consumers: told(teacher) });
  });
  const { learned } = await world.round({ post: teaching, random: Math.random });
  assert.ok(learned > 300 && learned <= 60 * 16, `${learned}`);

  const naming = fakePost((address) =>
    reply({ uuid: uuidAt.get(address) ?? teachers.find(([, at]) => at === address)?.[0] }),
  );
  const second = await world.round({ post: naming, random: Math.random });
  assert.equal(second.candidateProbes, 200);
  assert.equal(second.promoted, 50);
  assert.equal(await world.test.command('HLEN', KEYS.consumers), 110);
});

test('of the candidates in one network a round probes 20 at most', async (t) => {
  const world = await startWorld(t);
  const teachers = Array.from({ length: 40 }, (_, n) => [uuidOf(n), elsewhere(n)] as const);
  await world.setConsumers(Object.fromEntries(teachers));
  let next = 1_000;
  const consumers = () =>
    Array.from({ length: 50 }, (_, n) => ({ uuid: uuidOf(next++), ip: `10.90.0.${n + 1}:7000` }));
  await world.round({ post: fakePost(() => reply({ consumers: consumers() })), random: Math.random });
  const { candidateProbes } = await world.round({ post: fakePost(), random: Math.random });
  assert.ok(candidateProbes > 5 && candidateProbes <= 20, `${candidateProbes}`);
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
    return reply({ uuid: moved[address] ?? uuidOf(3) });
  });
  const round = async () => {
    const summary = await world.round({ post });
    world.advance(INTERVAL_MS);
    return summary;
  };
  for (let i = 0; i < 3; i++) await round();
  assert.equal((await world.health(uuidOf(2))).state, 'dead');
  assert.deepEqual(await candidates(world), {}, 'while it was not yet dead nothing was of interest');

  const summary = await round();

  assert.equal(summary.moved, 1);
  assert.equal(summary.states.alive, 3);
  assert.deepEqual(await world.consumers(), {
    [uuidOf(1)]: fakeAddress(1),
    [uuidOf(2)]: fakeAddress(12),
    [uuidOf(3)]: fakeAddress(3),
  });
  const { address, home } = await world.health(uuidOf(2));
  assert.deepEqual({ address, home }, { address: fakeAddress(12), home: fakeAddress(2) });
});

test('a consumer whose uuid a liar took over is found again within an hour of its return', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1), [uuidOf(2)]: fakeAddress(2) });
  let returned = false;
  const post = fakePost((address) => {
    if (address === fakeAddress(2)) return returned ? reply({ uuid: uuidOf(2) }) : failure();
    if (address === fakeAddress(66)) return reply({ uuid: uuidOf(2) });
    return reply({ uuid: uuidOf(1), consumers: [{ uuid: uuidOf(2), ip: fakeAddress(66) }] });
  });
  for (let i = 0; i < 6; i++) {
    await world.round({ post });
    world.advance(INTERVAL_MS);
  }
  assert.equal((await world.consumers())[uuidOf(2)], fakeAddress(66), 'the liar has it');
  returned = true;
  let rounds = 0;
  while ((await world.consumers())[uuidOf(2)] !== fakeAddress(2)) {
    await world.round({ post });
    world.advance(INTERVAL_MS);
    rounds += 1;
    assert.ok(rounds <= 13, 'an hour has passed');
  }
  const { state, home } = await world.health(uuidOf(2));
  assert.deepEqual({ state, home }, { state: 'alive', home: undefined });
  for (let i = 0; i < 12; i++) {
    await world.round({ post });
    world.advance(INTERVAL_MS);
  }
  assert.equal((await world.consumers())[uuidOf(2)], fakeAddress(2), 'and stays');
});

test('a move that the API writes ends what hearsay had begun', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(2)]: fakeAddress(66) });
  const record = {
    state: 'alive',
    address: fakeAddress(66),
    since: 1,
    lastOk: 1,
    home: fakeAddress(2),
    homeDue: 1,
    recent: 'A'.repeat(20),
  };
  await world.test.command('HSET', KEYS.health, uuidOf(2), JSON.stringify(record));
  await world.setConsumers({ [uuidOf(2)]: fakeAddress(3) });
  const post = fakePost();
  await world.round({ post });
  assert.deepEqual(post.calls, [fakeAddress(3)]);
  assert.equal((await world.health(uuidOf(2))).home, undefined);
});

test('whoever answers in place of another becomes a candidate under the uuid it named', async (t) => {
  const world = await startWorld(t);
  const stranger = await startPeer(t, { body: { uuid: uuidOf(9) } });
  await world.setConsumers({ [uuidOf(1)]: stranger.address });
  const { learned, promoted } = await world.round();
  assert.deepEqual([learned, promoted], [1, 1]);
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

test('hearsay names the default port only, outside of the ranges that the operator has opened', async (t) => {
  const world = await startWorld(t, { PEER_PORT: '7000', PEER_ALLOW_CIDRS: '10.0.0.0/8' });
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const consumers = [
    ...Array.from({ length: 30 }, (_, n) => ({ uuid: uuidOf(100 + n), ip: `8.8.8.8:${8_000 + n}` })),
    { uuid: uuidOf(2), ip: '8.8.4.4:7000' },
    { uuid: uuidOf(3), ip: '10.3.3.3:8000' },
  ];
  await world.round({ post: fakePost(() => reply({ consumers })) });
  assert.deepEqual(Object.keys(await candidates(world)).toSorted(), [uuidOf(2), uuidOf(3)]);
});

test('nothing that a candidate tells is heard', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const tell = (n: number) => [{ uuid: uuidOf(n), ip: elsewhere(n) }];
  const post = fakePost((address) =>
    address === fakeAddress(1)
      ? reply({ uuid: uuidOf(1), consumers: tell(2) })
      : reply({ uuid: uuidOf(50), consumers: tell(51) }),
  );
  await world.round({ post });
  const { learned } = await world.round({ post });
  assert.equal(learned, 0);
  assert.deepEqual(Object.keys(await candidates(world)), [uuidOf(2)]);
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
  await world.round({
    post: fakePost((address) => (address === fakeAddress(1) ? reply({ consumers }) : failure())),
  });
  assert.equal((await candidates(world))[uuidOf(2)]?.failures, 1);
  const source = silentSource();
  for (let i = 0; i < 4; i++) await world.round({ post: fakePost(() => failure()), sources: [source] });
  assert.equal((await candidates(world))[uuidOf(2)]?.failures, 1);
  await world.round({ post: fakePost(() => failure()) });
  assert.equal((await candidates(world))[uuidOf(2)]?.failures, 2);
});

test('candidates of version 1 go with the first round, and the secret stays', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const old = JSON.stringify({ address: fakeAddress(5), from: uuidOf(1), at: 1, failures: 0 });
  await world.test.command('HSET', KEYS.candidates, uuidOf(5), old, 'x', '1', '7', '[]');
  const { candidateProbes } = await world.round({ post: fakePost() });
  assert.equal(candidateProbes, 0);
  const { secret } = await world.hash(KEYS.candidates);
  assert.match(secret ?? '', /^[0-9a-f]{32}$/);
  await world.round({ post: fakePost() });
  assert.deepEqual(await world.hash(KEYS.candidates), { '7': '[]', secret });
});
