import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDED_EARLY } from '../../../lib/host.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  answeringSource,
  failure,
  fakeAddress,
  fakePost,
  INTERVAL_MS,
  KEYS,
  manyConsumers,
  reply,
  silentSource,
  startWorld,
  type World,
} from './harness.ts';

/** The `n`-th public address, far from everybody else's. */
function far(n: number): string {
  return `9.${n}.0.1`;
}

function far6(n: number): string {
  return `2600:${n.toString(16)}::1`;
}

function consumersAt(addresses: readonly string[], from = 0): Record<string, string> {
  return Object.fromEntries(addresses.map((address, n) => [uuidOf(from + n), address] as const));
}

const up = (count: number, at: (n: number) => string) => Array.from({ length: count }, (_, n) => at(n + 1));

/** Rounds in a row, an interval apart. */
async function rounds(world: World, count: number, options: Parameters<World['round']>[0]) {
  const summaries = [];
  for (let i = 0; i < count; i++) {
    summaries.push(await world.round(options));
    world.advance(INTERVAL_MS);
  }
  return summaries;
}

async function states(world: World): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const json of Object.values(await world.hash(KEYS.health))) {
    const { state } = JSON.parse(json);
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}

test('the uplink is down and a neighbour answers: nobody dies of it, however long', async (t) => {
  const world = await startWorld(t);
  await world.test.command('HSET', KEYS.ip, 'current', '8.8.8.8');
  await world.setConsumers(consumersAt([...up(20, far), fakeAddress(1), '8.8.4.4']));
  await world.round({ post: fakePost() });
  world.advance(INTERVAL_MS);
  const atHome = (address: string) => address.startsWith('10.') || address.startsWith('8.8.');
  const post = fakePost((address) => (atHome(address) ? reply() : failure()));
  const summaries = await rounds(world, 40, { post, sources: [silentSource()] });
  assert.deepEqual(await states(world), { alive: 22 });
  for (const { inconclusive, unjudged, complete } of summaries) {
    assert.deepEqual(
      [inconclusive, unjudged, complete],
      [true, 20, true],
      'the neighbours are still looked at',
    );
  }
  const told = world.logs.filter(({ message }) => message.startsWith('Our own network'));
  assert.deepEqual(
    told.map(({ level }) => level),
    ['warn'],
    'said once',
  );
  await world.round({ post: fakePost() });
  assert.match(world.logs.at(-1)?.message ?? '', /^Our own network is back/);
});

test('a neighbour dies while our uplink is down: any answer is a witness for one that is near', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt([fakeAddress(1), fakeAddress(2)]));
  const post = fakePost((address) => (address.startsWith(fakeAddress(1)) ? reply() : failure('refused')));
  await rounds(world, 3, { post, sources: [silentSource()] });
  assert.deepEqual(await states(world), { alive: 1, dead: 1 });
});

test('no IPv6 route: there is no verdict on consumers of that family, and no outage is told', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt([...up(5, far), ...up(5, far6)]));
  const post = fakePost((address) => (address.startsWith('[') ? failure('unreachable') : reply()));
  const summaries = await rounds(world, 40, { post, sources6: [silentSource()] });
  assert.deepEqual(await states(world), { alive: 5 });
  for (const { inconclusive, complete, states } of summaries) {
    assert.deepEqual([inconclusive, complete, states.new], [false, true, 5]);
  }
});

test('no route to one consumer while others of its family answer is a failure, which pauses nothing', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '8' });
  await world.setConsumers(consumersAt(up(10, far)));
  const post = fakePost((address) => (address.startsWith(far(3)) ? failure('unreachable') : reply()));
  await rounds(world, 3, { post });
  assert.deepEqual(await states(world), { alive: 9, dead: 1 });
});

test('where no source was ever reached over IPv6, an answer over IPv4 makes a failure count for 36, not for 3', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt([far(1), far6(1)]));
  const post = fakePost((address) => (address.startsWith('[') ? failure() : reply()));
  const options = { post, sources6: [silentSource()] };
  await rounds(world, 35, options);
  assert.equal((await world.health(uuidOf(1))).state, 'suspect');
  await rounds(world, 1, options);
  assert.equal((await world.health(uuidOf(1))).state, 'dead');
});

test('where a source has answered over IPv6 before, only it or a consumer is a witness there', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt([far(1), far6(1)]));
  const post = fakePost((address) => (address.startsWith('[') ? failure() : reply()));
  await rounds(world, 1, { post, sources6: [answeringSource()] });
  assert.equal((await world.health(uuidOf(1))).fails, 1);
  await rounds(world, 40, { post, sources6: [silentSource()] });
  assert.equal((await world.health(uuidOf(1))).fails, 1);
});

test('one lost call is no failure: who has answered before is called again, 3 s later', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(3, far)));
  await rounds(world, 1, { post: fakePost() });
  let lost = 0;
  const post = fakePost((address) =>
    address.startsWith(far(2)) && lost++ === 0 ? failure('reset') : reply(),
  );
  const [summary] = await rounds(world, 1, { post });
  assert.equal(summary?.secondProbes, 1);
  assert.equal(post.calls.length, 4);
  const { state, lastFail } = await world.health(uuidOf(1));
  assert.deepEqual([state, lastFail], ['alive', undefined]);
});

test('a reply that is wrong and a dead consumer get no second call', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(12, far)));
  const post = fakePost((address) =>
    address.startsWith(`${far(1)}:`)
      ? failure('redirect')
      : address.startsWith(`${far(2)}:`)
        ? failure()
        : reply(),
  );
  const summaries = await rounds(world, 6, { post });
  assert.deepEqual(
    summaries.map(({ secondProbes }) => secondProbes),
    [1, 1, 1, 0, 0, 0],
    'for the one that does not answer, until it is dead',
  );
});

test('many that fail at once do not die for three hours; one that fails alone dies after three rounds', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(20, far)));
  await rounds(world, 1, { post: fakePost() });
  const gone = (most: number) =>
    fakePost((address) => (Number(/^9\.(\d+)\./.exec(address)?.[1]) <= most ? failure() : reply()));
  await rounds(world, 35, { post: gone(8) });
  assert.deepEqual(await states(world), { alive: 12, suspect: 8 });
  await rounds(world, 1, { post: gone(8) });
  assert.deepEqual(await states(world), { alive: 12, dead: 8 });
  await rounds(world, 13, { post: fakePost() });
  await rounds(world, 3, { post: gone(1) });
  assert.deepEqual(await states(world), { alive: 19, dead: 1 });
});

test('this machine is out of descriptors: no verdict, a pause, and fewer at a time', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '64' });
  await world.setConsumers(consumersAt(up(200, far)));
  await rounds(world, 1, { post: fakePost() });
  let running = 0;
  let most = 0;
  const post = fakePost(async () => {
    running += 1;
    most = Math.max(most, running);
    const short = running > 20;
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return short ? failure('local') : reply();
  });
  const [summary] = await rounds(world, 1, { post });
  assert.deepEqual(await states(world), { alive: 200 });
  assert.deepEqual(summary?.errors, {});
  assert.ok(most > 20);
});

test('two overlapping rounds that see the same failure count it once', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(3, far)));
  const post = fakePost((address) => (address.startsWith(far(1)) ? failure() : reply()));
  await world.round({ post });
  await world.round({ post });
  assert.equal((await world.health(uuidOf(0))).fails, 1);
});

test('without time for a second call there is no verdict', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(3, far)));
  await rounds(world, 1, { post: fakePost() });
  const post = fakePost((address) => (address.startsWith(far(1)) ? failure() : reply()));
  // Enough for the first call (timeout + 5 s), not for a wait of 3 s more.
  const [summary] = await rounds(world, 1, { post, remainingMs: () => 8_000 });
  assert.equal(summary?.unjudged, 1);
  assert.deepEqual(await states(world), { alive: 3 });
});

test('an entry in two spellings is two entries, and each is probed', async (t) => {
  const world = await startWorld(t);
  const upper = 'ABCDEF00-0000-4000-8000-000000000001';
  await world.setConsumers({ [upper]: far(1), [upper.toLowerCase()]: far(2) });
  const post = fakePost((address) =>
    address.startsWith(far(1)) ? failure() : reply({ uuid: upper.toLowerCase() }),
  );
  await rounds(world, 3, { post });
  assert.equal((await world.health(upper)).state, 'dead', 'the stale one');
  assert.equal((await world.health(upper.toLowerCase())).state, 'alive');
});

test('health names the very string of consumers', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt([far(1), `${far(2)}:80`, far6(1), `[${far6(2)}]:8080`]));
  await world.round({ post: fakePost() });
  for (const [uuid, address] of Object.entries(await world.consumers())) {
    assert.equal((await world.health(uuid)).address, address);
  }
});

test('health of version 1 counts for the same address', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt([far(1)]));
  const now = Date.now();
  const old = {
    state: 'suspect',
    address: `${far(1)}:80`,
    since: now - 9,
    lastOk: now - 9,
    lastFail: now - 600_000,
    failures: 2,
  };
  await world.test.put(KEYS.health, { [uuidOf(0)]: JSON.stringify({ ...old, recent: 'A'.repeat(20) }) });
  await world.round({ post: fakePost(() => failure()) });
  const { state, fails, address } = await world.health(uuidOf(0));
  assert.deepEqual([state, fails, address], ['dead', 3, far(1)]);
});

test('one that has named itself and is nameless now is somebody else', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(5, far)));
  const named = fakePost((address) => {
    const n = up(5, far).findIndex((each) => address.startsWith(`${each}:`));
    return reply({ uuid: uuidOf(n) });
  });
  await rounds(world, 2, { post: named });
  await rounds(world, 1, {
    post: fakePost((address) =>
      address.startsWith(far(1))
        ? reply()
        : reply({ uuid: uuidOf(up(5, far).findIndex((each) => address.startsWith(`${each}:`))) }),
    ),
  });
  const { state, lastError } = await world.health(uuidOf(0));
  assert.deepEqual([state, lastError], ['suspect', 'wrong-identity']);
});

test('a proxy that says 503 for a backend that is down is no consumer that lives', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(3, far)));
  const post = fakePost((address) => (address.startsWith(far(1)) ? reply(undefined, 503) : reply()));
  await rounds(world, 3, { post });
  assert.deepEqual(await states(world), { alive: 2, dead: 1 });
});

test('who called us while dead is probed at once, whatever its due time says', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(3, far)));
  const post = fakePost((address) => (address.startsWith(far(1)) ? failure() : reply()));
  await rounds(world, 5, { post });
  assert.equal((await world.health(uuidOf(0))).state, 'dead');
  const quiet = fakePost();
  await world.round({ post: quiet });
  if (!quiet.calls.some((address) => address.startsWith(far(1)))) {
    await world.test.command('SADD', KEYS.called, uuidOf(0).toUpperCase(), uuidOf(77), 'rubbish');
    await world.round({ post: quiet });
  }
  assert.equal((await world.health(uuidOf(0))).state, 'alive');
  assert.equal(await world.test.command('EXISTS', KEYS.called), 0);
});

test('a round writes whom an API may tell of: those alive by our own probes, the new ones first', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(80));
  await rounds(world, 14, { post: fakePost() });
  await world.setConsumers({ [uuidOf(500)]: far(5), [uuidOf(501)]: far(6) });
  const post = fakePost((address) =>
    address.startsWith(far(6)) ? failure() : reply({ consumers: [{ uuid: uuidOf(900), ip: '7.7.7.7' }] }),
  );
  await world.round({ post });
  const { consumers } = JSON.parse(String(await world.test.command('GET', KEYS.reply)));
  assert.equal(consumers.length, 50);
  assert.deepEqual(consumers[0], { uuid: uuidOf(500), ip: far(5) });
  const uuids = consumers.map(({ uuid }: { uuid: string }) => uuid);
  assert.equal(new Set(uuids).size, 50);
  assert.ok(!uuids.includes(uuidOf(501)) && !uuids.includes(uuidOf(900)));
});

test('a round counts what peers say about us, one voice for each network', async (t) => {
  const world = await startWorld(t);
  await world.test.command('HSET', KEYS.ip, 'current', '8.8.8.8');
  const addresses = [...up(5, far), '9.1.0.2', '9.1.0.3', far6(1)];
  await world.setConsumers(consumersAt(addresses));
  const post = fakePost((address) => {
    if (address.startsWith('9.1.0.')) return reply({ you: { ip: '6.6.6.6', answers: false } });
    if (address.startsWith(far(2))) return reply({ you: { ip: '::ffff:8.8.8.8' } });
    if (address.startsWith(far(3))) return reply({ you: { ip: 'rubbish', answers: 'yes' } });
    if (address.startsWith(far(4))) return reply({ you: 7 });
    return reply({ you: { ip: '8.8.8.8', answers: true } });
  });
  const summary = await world.round({ post });
  assert.deepEqual(summary.mirror, { seen: { '8.8.8.8': 3, '6.6.6.6': 1 }, reached: 2, unreached: 1 });
  const [entry] = (await world.test.command('XREVRANGE', KEYS.rounds, '+', '-', 'COUNT', 1)) as [
    string,
    string[],
  ][];
  assert.deepEqual(JSON.parse(entry?.[1].at(-1) ?? '').mirror, summary.mirror);
});

test('the log says who joined, moved, died and came back, ten of each by name', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(consumersAt(up(15, far)));
  const post = fakePost((address) => (address.startsWith(`${far(1)}:`) ? failure() : reply()));
  await rounds(world, 1, { post: fakePost() });
  const [joined] = world.logs.filter(({ level }) => level === 'info');
  assert.match(joined?.message ?? '', /^Consumers joined/);
  assert.ok(Array.isArray(joined?.fields?.consumers));
  assert.equal(joined.fields.consumers.length, 10);
  assert.equal(joined.fields.more, 5);

  world.logs.length = 0;
  await rounds(world, 3, { post });
  assert.deepEqual(
    world.logs.map(({ message, fields }) => [message.split(':')[0], fields?.consumers]),
    [['Consumers died', [{ uuid: uuidOf(0), address: far(1) }]]],
  );
  world.logs.length = 0;
  world.advance(3_600_000);
  await world.setConsumers({ [uuidOf(1)]: far(99) });
  await rounds(world, 1, { post: fakePost() });
  assert.deepEqual(world.logs.map(({ message }) => message.split(':')[0]).toSorted(), [
    'Consumers came back',
    'Consumers moved to another address',
  ]);
});

test('a round that is cut by time warns, and says what to set', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
  await world.setConsumers(consumersAt(up(9, far)));
  const post = fakePost();
  await world.round({ post, remainingMs: () => (post.calls.length < 4 ? 240_000 : 0) });
  const warnings = world.logs.filter(({ level }) => level === 'warn');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]?.message ?? '', /ran out of time.*SYNC_CONCURRENCY/);
});

test('a round that somebody ends early does not tell them to set anything', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
  await world.setConsumers(consumersAt(up(9, far)));
  const ended = new AbortController();
  const post = fakePost((_, before) => {
    if (before === 3) ended.abort(ENDED_EARLY);
    return reply();
  });
  const summary = await world.round({ post, signal: ended.signal });
  assert.equal(summary.complete, false);
  assert.deepEqual(
    world.logs.filter(({ level }) => level === 'warn'),
    [],
  );
});
