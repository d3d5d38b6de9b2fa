import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { encodeHealth } from '../../../lib/store/health-record.ts';
import { createRandom } from '../../chaos/random.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  deadRecord,
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

/** A post that leaves time for `budget` probes. */
function limited(budget: number) {
  const post = fakePost();
  return { post, remainingMs: () => (post.calls.length < budget ? 240_000 : 0) };
}

/** The number of an address of `fakeAddress`. */
function numberOf(address: string): number {
  const [, , high, low] = address.replace(/:.*/, '').split('.').map(Number);
  return (high ?? 0) * 256 + (low ?? 0);
}

test('rounds that are far too short reach everyone in turn, nobody twice', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '16' });
  await world.setConsumers(manyConsumers(4_100));
  const reached = new Map<string, number>();
  let rounds = 0;
  for (let complete = false; !complete; rounds++) {
    const { post, remainingMs } = limited(500);
    const summary = await world.round({ post, remainingMs });
    assert.ok(post.calls.length <= 500);
    assert.equal(summary.stopped, summary.complete ? undefined : 'time');
    assert.equal(summary.resumed, rounds > 0);
    for (const address of post.calls) reached.set(address, (reached.get(address) ?? 0) + 1);
    complete = summary.complete;
    assert.ok(rounds < 20, 'it does not get on');
    world.advance(300_000);
  }
  assert.equal(reached.size, 4_100);
  assert.equal(Math.max(...reached.values()), 1);
  assert.ok(rounds <= Math.ceil(4_100 / 500) + 1, `${rounds} rounds`);
  assert.equal(await world.test.command('HLEN', KEYS.health), 4_100);
  assert.equal(await world.position(), undefined);
});

test('however many candidates wait, rounds that are far too short reach every consumer in turn', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '10' });
  const teachers = Array.from({ length: 60 }, (_, n) => [uuidOf(n), `10.50.${n}.1:7000`] as const);
  await world.setConsumers(Object.fromEntries(teachers));
  const candidates = (teacher: number) =>
    Array.from({ length: 16 }, (_, n) => ({
      uuid: uuidOf(1_000 + 16 * teacher + n),
      ip: `10.${100 + teacher}.${n}.1:7000`,
    }));
  const taught = await world.round({
    post: fakePost((_, before) => reply({ consumers: candidates(before) })),
    remainingMs: () => 240_000,
  });
  assert.ok(taught.learned > 200);

  const reached = new Map<string, number>();
  let asked = 0;
  for (let round = 0; round < 4; round++) {
    world.advance(INTERVAL_MS);
    // The candidates hang, and take a place each until the round ends.
    const post = fakePost((address) => (address.startsWith('10.50.') ? reply() : failure()));
    const summary = await world.round({ post, remainingMs: () => (post.calls.length < 20 ? 240_000 : 0) });
    assert.ok(summary.candidateProbes >= 1, 'candidates have their turn too');
    asked += summary.candidateProbes;
    for (const address of post.calls.filter((each) => each.startsWith('10.50.')))
      reached.set(address, (reached.get(address) ?? 0) + 1);
  }
  assert.equal(reached.size, 60, `${asked} of 80 calls went to candidates`);
});

for (const [title, env, calls] of [
  ['the calls', { SYNC_MAX_PROBES_PER_ROUND: '100' }, 1_000],
  ['the time', { SYNC_CONCURRENCY: '1' }, 90],
] as const) {
  test(`the dead that call us in every round do not use up ${title} of those that live`, async (t) => {
    const world = await startWorld(t, env);
    await world.setConsumers(manyConsumers(360));
    const isDead = (n: number) => n < 300;
    const health = Object.keys(manyConsumers(300)).flatMap((uuid, n) => [
      uuid,
      encodeHealth(deadRecord(fakeAddress(n))),
    ]);
    await world.test.command('HSET', KEYS.health, ...health);
    const called = new Set<string>();
    for (let round = 0; round < 6; round++) {
      await world.test.command('SADD', KEYS.called, ...Object.keys(manyConsumers(300)));
      const post = fakePost((address) => (isDead(numberOf(address)) ? failure() : reply()));
      await world.round({ post, remainingMs: () => (post.calls.length < calls ? 240_000 : 0) });
      for (const address of post.calls) called.add(address);
      world.advance(INTERVAL_MS);
    }
    assert.equal([...called].filter((address) => !isDead(numberOf(address))).length, 60);
    assert.ok(
      [...called].some((address) => isDead(numberOf(address))),
      'the dead have their turn too',
    );
  });
}

for (const [title, env, calls] of [
  ['the calls', { SYNC_MAX_PROBES_PER_ROUND: '100' }, 1_000],
  ['the time', {}, 90],
] as const) {
  test(`one that moved by hearsay comes home although consumers use up ${title} of each round`, async (t) => {
    const world = await startWorld(t, env);
    await world.setConsumers(manyConsumers(90));
    const { due: _, ...stolen } = deadRecord(fakeAddress(0));
    const health = { ...stolen, home: fakeAddress(500), homeDue: 0 };
    await world.test.command('HSET', KEYS.health, uuidOf(0), encodeHealth(health));
    for (let round = 0; round < 4; round++) {
      const post = fakePost((address) =>
        reply(address === fakeAddress(500) ? { uuid: uuidOf(0) } : undefined),
      );
      await world.round({ post, remainingMs: () => (post.calls.length < calls ? 240_000 : 0) });
      world.advance(INTERVAL_MS);
    }
    assert.equal((await world.consumers())[uuidOf(0)], fakeAddress(500));
  });
}

test('rounds that are stopped before their end, because Redis takes 2 s for each command, get on all the same', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
  const introduce = (n: number) =>
    reply({ consumers: [{ uuid: uuidOf(1_000 + n), ip: `10.9.${n}.1:7000` }] });
  await world.setConsumers(manyConsumers(40));
  await world.round({ post: fakePost((_, before) => introduce(before)) });
  await world.setConsumers(manyConsumers(60, 100));
  for (let round = 0; round < 6; round++) {
    world.advance(INTERVAL_MS);
    let leftMs = 40_000;
    const pass = (ms: number) => {
      leftMs -= ms;
      world.advance(ms);
    };
    const redis: Redis = {
      async send(requests, options) {
        pass(1_950);
        if (leftMs < 0) throw new RedisUnavailableError('the run was stopped', { mayHaveRun: false });
        return world.redis.send(requests, options);
      },
      close: async () => {},
    };
    const post = fakePost((address, before) => {
      pass(1_000);
      return address.startsWith('10.9.') ? failure() : introduce(100 + 50 * round + before);
    });
    await world.round({ post, redis, remainingMs: () => leftMs }).catch(() => undefined);
    await world.test.command('DEL', KEYS.lease('sync:0'));
  }
  assert.equal(await world.test.command('HLEN', KEYS.health), 100);
});

test('a consumer that is silent gets its second calls, and is found dead, also by rounds that are far too short', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
  await world.setConsumers(manyConsumers(60));
  const isSilent = (address: string) => /^10\.0\.0\.[0-5]:/.test(address);
  for (let round = 0; round < 20; round++) {
    const post = fakePost(async (address) => {
      await new Promise((resolve) => setImmediate(resolve));
      return isSilent(address) ? failure() : reply();
    });
    await world.round({ post, remainingMs: () => (post.calls.length < 20 ? 240_000 : 0) });
    world.advance(INTERVAL_MS);
  }
  for (let n = 0; n < 6; n++) assert.equal((await world.health(uuidOf(n))).state, 'dead');
});

test('a round that has called everyone is complete, even if no time was left for its candidates', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers({ [uuidOf(1)]: fakeAddress(1) });
  const heard = Array.from({ length: 8 }, (_, n) => ({ uuid: uuidOf(2 + n), ip: `10.${100 + n}.0.1:7000` }));
  const first = fakePost(() => reply({ consumers: heard }));
  await world.round({ post: first, remainingMs: () => (first.calls.length === 0 ? 240_000 : 0) });
  world.advance(INTERVAL_MS);
  const { post, remainingMs } = limited(2);
  const summary = await world.round({ post, remainingMs });
  assert.deepEqual([summary.probes, summary.candidateProbes], [1, 1]);
  assert.deepEqual([summary.complete, summary.stopped], [true, undefined]);
  assert.equal(await world.position(), undefined);
});

/** In which order consumers came, and what the consumer API does to the hash after each round of a pass. */
const COURSES: readonly {
  readonly title: string;
  readonly order: (indices: readonly number[]) => readonly number[];
  readonly between: (world: World, round: number) => Promise<void>;
}[] = [
  { title: 'added in order', order: (indices) => indices, between: async () => {} },
  { title: 'added backwards', order: (indices) => indices.toReversed(), between: async () => {} },
  { title: 'added at random', order: shuffled, between: async () => {} },
  {
    title: 'while newcomers let the hash grow to three times its size',
    order: shuffled,
    between: async (world, round) => {
      if (round < 5) await world.setConsumers(manyConsumers(900, 100_000 + 900 * round));
    },
  },
  {
    title: 'while most of the others are removed, and the hash shrinks',
    order: shuffled,
    between: async (world, round) => {
      const gone = Array.from({ length: 400 }, (_, i) => uuidOf(50_000 + 400 * round + i));
      await world.test.command('HDEL', KEYS.consumers, ...gone);
    },
  },
  {
    title: 'while others move to another address each round',
    order: shuffled,
    between: async (world, round) => {
      const moved = Array.from(
        { length: 50 },
        (_, i) => [uuidOf(50_000 + i), fakeAddress(200_000 + 50 * round + i)] as const,
      );
      await world.setConsumers(Object.fromEntries(moved));
    },
  },
];

/** The same shuffle in every run. */
function shuffled(indices: readonly number[]): number[] {
  const random = createRandom(20_261_124);
  return indices
    .map((index) => [random.next(), index] as const)
    .sort(([a], [b]) => a - b)
    .map(([, index]) => index);
}

for (const { title, order, between } of COURSES) {
  test(`who stays is reached before the pass ends, by rounds that are far too short: ${title}`, async (t) => {
    // Two pages at the beginning.
    const staying = 800;
    const budget = 300;
    const world = await startWorld(t, { SYNC_CONCURRENCY: '16' });
    const indices = [...Array(staying).keys(), ...Array.from({ length: 1_400 }, (_, i) => 50_000 + i)];
    await world.setConsumers(
      Object.fromEntries(order(indices).map((index) => [uuidOf(index), fakeAddress(index)] as const)),
    );
    const reached = new Map<string, number>();
    for (let round = 0, complete = false; !complete; round++) {
      const { post, remainingMs } = limited(budget);
      ({ complete } = await world.round({ post, remainingMs }));
      for (const address of post.calls) reached.set(address, (reached.get(address) ?? 0) + 1);
      await between(world, round);
      world.advance(300_000);
      assert.ok(round < 80, 'it does not get on');
    }
    const calls = Array.from({ length: staying }, (_, index) => reached.get(fakeAddress(index)) ?? 0);
    assert.deepEqual(new Set(calls), new Set([1]), 'each that stays, once');
  });
}

test('a round that stops finishes the probes it began and writes them', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '5' });
  await world.setConsumers(manyConsumers(20));
  const { post, remainingMs } = limited(7);
  const summary = await world.round({ post, remainingMs });
  assert.equal(summary.stopped, 'time');
  assert.equal(summary.complete, false);
  assert.equal(summary.probes, 7);
  assert.equal(summary.states.alive, 7);
  assert.equal(summary.states.new, 13);
  assert.equal(await world.test.command('HLEN', KEYS.health), 7);
});

test('an unfinished page goes on with those that were not called yet', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
  await world.setConsumers(manyConsumers(6));
  await world.round({ post: fakePost() });
  world.advance(300_000);
  const second = limited(4);
  await world.round(second);
  world.advance(300_000);
  const third = fakePost();
  await world.round({ post: third });
  assert.equal(new Set([...second.post.calls, ...third.calls]).size, 6);
  assert.equal(third.calls.length, 2);
});

test('those who get no verdict keep nobody out: a later round goes on behind them', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1', SYNC_MAX_PROBES_PER_ROUND: '100' });
  const noRoute = Array.from({ length: 200 }, (_, n) => [uuidOf(1_000 + n), `2600::${n + 1}`] as const);
  await world.setConsumers({ ...manyConsumers(200), ...Object.fromEntries(noRoute) });
  const post = fakePost((address) => (address.startsWith('[') ? failure('unreachable') : reply()));
  for (let round = 0; round < 10; round++) {
    await world.round({ post });
    world.advance(300_000);
  }
  assert.equal(await world.test.command('HLEN', KEYS.health), 200, 'no verdict on those without a route');
  const called = new Set(post.calls);
  assert.equal(called.size, 400, 'everyone within N / B rounds for each of the two laps');
});

test('a round without time does nothing but says so', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3));
  const summary = await world.round({ post: fakePost(), remainingMs: () => 5_999 });
  assert.equal(summary.stopped, 'time');
  assert.equal(summary.probes, 0);
  assert.equal(await world.test.command('EXISTS', KEYS.lease('sync:0')), 0);
});

test('when the invocation ends, what hangs is given up unjudged, and the rest is written', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3));
  const ending = new AbortController();
  const post = fakePost(async (address) => {
    if (address === '10.0.0.0:7000') return reply();
    await new Promise((resolve) => setImmediate(resolve));
    ending.abort();
    return failure('aborted');
  });
  const summary = await world.round({ post, signal: ending.signal });
  assert.equal(summary.complete, false);
  assert.deepEqual(summary.states, { new: 2, alive: 1, suspect: 0, dead: 0 });
  assert.deepEqual(Object.keys(await world.hash(KEYS.health)), [uuidOf(0)]);
});

test('a cursor that Redis rejects means the first page', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(10));
  await world.test.command('HSET', KEYS.cursor, '0/1', 'rubbish@1764000000000');
  const summary = await world.round({ post: fakePost() });
  assert.equal(summary.states.alive, 10);
  assert.equal(summary.complete, true);
  assert.equal(await world.position(), undefined);
});

test('a round right after another probes everyone, although the clock of the other was ahead', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3));
  world.advance(2_000);
  await world.round({ post: fakePost() });
  world.advance(-2_000);
  const post = fakePost();
  const summary = await world.round({ post });
  assert.equal(post.calls.length, 3);
  assert.deepEqual(summary.skipped, {});
  await world.test.command('HSET', KEYS.cursor, 'probed', '9999999999999');
  world.advance(5_000);
  assert.ok((await world.round({ post })).at < 9_999_999_999_999);
});

test('while another round holds the lease nothing is done', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3));
  await world.test.command('SET', KEYS.lease('sync:0'), 'another', 'PX', 30_000);
  const post = fakePost();
  const summary = await world.round({ post });
  assert.equal(summary.stopped, 'held');
  assert.deepEqual(post.calls, []);
  assert.equal(await world.test.command('GET', KEYS.lease('sync:0')), 'another');
  assert.equal(await world.test.command('EXISTS', KEYS.health), 0);
});

test('two rounds at once: one works, the other does nothing', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(100));
  const post = fakePost();
  const summaries = await Promise.all([world.round({ post }), world.round({ post })]);
  assert.deepEqual(summaries.map(({ stopped }) => stopped ?? 'done').sort(), ['done', 'held']);
  assert.equal(post.calls.length, 100);
});

test('a round whose lease was taken stops, and writes nothing', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(10_000));
  const post = fakePost(async (_, before) => {
    if (before === 1) await world.test.command('SET', KEYS.lease('sync:0'), 'another', 'PX', 30_000);
    return reply();
  });
  const summary = await world.round({ post });
  assert.equal(summary.stopped, 'lease');
  assert.equal(summary.complete, false);
  assert.ok(post.calls.length < 10_000);
  assert.equal(await world.test.command('EXISTS', KEYS.health, KEYS.cursor, KEYS.rounds), 0);
  assert.equal(await world.test.command('GET', KEYS.lease('sync:0')), 'another');
});

test('a page that outlasts the lease renews it before the next probe', async (t) => {
  const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
  await world.setConsumers(manyConsumers(4));
  const post = fakePost((_, before) => {
    if (before === 1) world.advance(30_001);
    return reply();
  });
  const summary = await world.round({ post });
  assert.equal(summary.states.alive, 4);
  assert.equal(world.redis.sent.filter((name) => name === 'lease-renew').length, 1);
});

test('after a freeze the time is read anew, and a lease that is gone starts no request', async (t) => {
  for (const gone of [false, true]) {
    const world = await startWorld(t, { SYNC_CONCURRENCY: '1' });
    await world.setConsumers(manyConsumers(4));
    const post = fakePost(async (_, before) => {
      if (before === 1) {
        world.freeze(60_000);
        if (gone) await world.test.command('DEL', KEYS.lease('sync:0'));
      }
      return reply();
    });
    const summary = await world.round({ post });
    assert.equal(post.calls.length, gone ? 2 : 4);
    assert.equal(summary.stopped, gone ? 'lease' : undefined);
    assert.equal(world.redis.sent.filter((name) => name === 'TIME').length, 2);
    await world.test.stop();
  }
});

/** Redis that fails the `n`-th request of this name: before it is sent, or after it was carried out. */
function failing(world: World, name: string, n: number, when: 'before' | 'after'): Redis {
  let seen = 0;
  return {
    async send(requests, options) {
      const hit = requests.some(
        (request) => ('script' in request ? request.script.name : request[0]) === name,
      );
      seen += hit ? 1 : 0;
      const fails = hit && seen === n;
      if (!fails || when === 'after') {
        const replies = await world.redis.send(requests, options);
        if (!fails) return replies;
      }
      throw new RedisUnavailableError('gone', { mayHaveRun: when === 'after' });
    },
    close: async () => {},
  };
}

test('a page that cannot be read fails the round after what was probed is written', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(3_000));
  const post = fakePost();
  await assert.rejects(
    () => world.round({ post, redis: failing(world, 'HSCAN', 2, 'before') }),
    RedisUnavailableError,
  );
  assert.equal(await world.test.command('HLEN', KEYS.health), post.calls.length);
  assert.ok(post.calls.length < 3_000);
  assert.equal(await world.test.command('EXISTS', KEYS.lease('sync:0')), 0, 'the lease was released');

  const next = fakePost();
  const summary = await world.round({ post: next });
  assert.equal(summary.resumed, true);
  assert.equal(next.calls.length, 3_000 - post.calls.length);
  assert.equal(await world.test.command('HLEN', KEYS.health), 3_000);
});

for (const [what, page, when] of [
  ['that cannot be written fails the round, and the next one does it again', 2, 'before'],
  ['whose reply is lost was written: the next round goes on behind it', 1, 'after'],
] as const) {
  test(`a page ${what}`, async (t) => {
    const world = await startWorld(t);
    await world.setConsumers(manyConsumers(3_000));
    await assert.rejects(
      () => world.round({ post: fakePost(), redis: failing(world, 'write-page', page, when) }),
      RedisUnavailableError,
    );
    const first = Number(await world.test.command('HLEN', KEYS.health));
    assert.ok(first > 0 && first < 3_000);
    await world.test.command('DEL', KEYS.lease('sync:0'));

    const next = fakePost();
    const { complete } = await world.round({ post: next });
    assert.equal(complete, true);
    assert.equal(next.calls.length, 3_000 - first);
    assert.equal(await world.test.command('HLEN', KEYS.health), 3_000);
  });
}

test('candidates that cannot be written fail the round, and its end is still written', async (t) => {
  const world = await startWorld(t);
  await world.setConsumers(manyConsumers(1));
  const consumers = [{ uuid: uuidOf(9), ip: '10.9.9.9' }];
  await world.round({ post: fakePost(() => reply({ consumers })) });
  await assert.rejects(
    () => world.round({ post: fakePost(), redis: failing(world, 'settle-candidates', 1, 'before') }),
    RedisUnavailableError,
  );
  assert.equal(await world.test.command('EXISTS', KEYS.lease('sync:0')), 0);
  assert.equal(await world.test.command('XLEN', KEYS.rounds), 2);
});
