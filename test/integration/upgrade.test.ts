import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type App, createApp } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import type { Host } from '../../lib/host.ts';
import type { Ip } from '../../lib/peers/ip-space.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { invocation, MINUTE, withTime } from '../support/clock.ts';
import { type LogLine, recordLog } from '../support/log.ts';
import { pairs, startTestRedis, type TestRedis } from '../support/redis.ts';
import { sourceSaying } from '../support/sources.ts';
import { loadVersion1, VERSION_1_UUID, version1 } from '../support/version-1.ts';
import { ip } from '../support/votes.ts';

const KEYS = createKeys('{p2p}:');
const CURRENT = ip('203.0.113.30');
const CONTESTED = ip('203.0.113.10');

const producer = (n: number) => `b0000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const consumer = (n: number) => `c0000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const heard = (n: number) => `d0000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
/** Where the producers of the fixture are, and their numbers. */
const PRODUCERS: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 14 }, (_, i) => [`198.51.100.${101 + i}:80`, i + 1]),
);

interface Call {
  readonly at: number;
  readonly address: string;
  readonly body: { readonly ip?: string };
  readonly epoch: number;
}

/** Version 2 on the database of version 1, at the moment at which that was saved. All peers answer well. */
interface Upgraded {
  readonly redis: TestRedis;
  readonly app: App;
  nowMs: number;
  sees: Ip;
  readonly calls: Call[];
  warnings(): readonly LogLine[];
}

async function upgrade(t: TestContext): Promise<Upgraded> {
  const redis = await startTestRedis(t);
  await loadVersion1(redis.command);
  const { log, lines } = recordLog();
  const host: Host = {
    monotonicMs: () => world.nowMs - version1.nowMs,
    wallMs: () => world.nowMs,
    random: () => 0.5,
    sleep: async (ms, signal) => {
      // What waits for a signal is a timer beside the work, which ends with the work.
      if (signal === undefined || ms <= 3_000) world.nowMs += ms;
      else await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
  };
  const post: PostToPeer = async ({ address, body, headers = {} }) => {
    const call = { at: world.nowMs, address: address.key, body: JSON.parse(body) };
    world.calls.push({ ...call, epoch: Number(headers['X-IP-Epoch'] ?? 0) });
    return { kind: 'replied', status: 200, body: Buffer.alloc(0), rttMs: 1 };
  };
  const sources = [1, 2, 3].map((n) => sourceSaying(`source-${n}`, () => world.sees));
  const world: Upgraded = {
    redis,
    nowMs: version1.nowMs,
    sees: CURRENT,
    calls: [],
    warnings: () => lines.filter(({ level }) => level === 'warn' || level === 'error'),
    app: createApp({
      config: loadConfig({
        LOCAL_UUID: VERSION_1_UUID,
        REDIS_URL: 'redis://127.0.0.1:1',
        PEER_ALLOW_CIDRS: '203.0.113.0/24,198.51.100.0/24,192.0.2.0/24,2001:db8::/32',
        IP_ALLOW_CIDRS: '203.0.113.0/24',
        PRODUCER_NOTIFY_FUNCTION: 'producer-notify',
        SYNC_FUNCTION: 'sync',
      }),
      redis: withTime(redis.redis, () => world.nowMs),
      host,
      post,
      sources,
      invoke: async () => undefined,
      log,
    }),
  };
  return world;
}

/** Drains each minute, as the schedule would, with the lease of version 1's drain ended. */
async function drain(world: Upgraded, minutes: number): Promise<void> {
  await world.redis.command('DEL', KEYS.lease('notify'));
  for (let i = 0; i < minutes; i++) {
    await world.app.producerNotify({}, invocation());
    world.nowMs += MINUTE;
  }
}

describe('a database that version 1 wrote', () => {
  test('is checked on: the register is usable, the address is confirmed, a drain of version 1 is respected', async (t) => {
    const world = await upgrade(t);
    const before = await world.redis.hash(KEYS.ip);
    const summary = await world.app.ipCheck({}, invocation());
    assert.deepEqual(
      [summary.outcome, summary.ip, summary.epoch, summary.notify],
      ['confirmed', CURRENT, Number(before.epoch), 'running'],
    );
    assert.deepEqual(world.warnings(), []);
    assert.equal((await world.redis.hash(KEYS.ip)).candidate, undefined, 'a quorum keeps the address');
  });

  test('a contested change that version 1 had begun to count is counted on', async (t) => {
    const world = await upgrade(t);
    const before = await world.redis.hash(KEYS.ip);
    world.sees = CONTESTED;
    world.nowMs += 20_000;
    const { outcome, epoch } = await world.app.ipCheck({}, invocation());
    assert.equal(outcome, 'changed', 'nobody contests it any more');
    const register = await world.redis.hash(KEYS.ip);
    assert.ok(Number(epoch) > Number(before.epoch));
    assert.match(register.recent ?? '', /^203\.0\.113\.30@\d+ 203\.0\.113\.20@1764001271093$/);
    assert.equal(register.manualIds, '["operator-1"]');
  });

  test('every producer gets the address, those in flight and ambiguous ones included, and none an older one', async (t) => {
    const world = await upgrade(t);
    await drain(world, 8);
    const told = world.calls.filter(({ body }) => body.ip !== undefined);
    assert.deepEqual([...new Set(told.map(({ body }) => body.ip))], [CURRENT]);
    const numbers = told.map(({ address }) => PRODUCERS.get(address));
    assert.deepEqual(
      [...new Set(numbers)].toSorted((a = 0, b = 0) => a - b),
      [1, 2, 5, 6, 7, 8, 9, 11, 12, 13, 14],
      'all but those without an address or an entry in `producers`',
    );
    const times = (n: number) => numbers.filter((number) => number === n).length;
    for (const n of [1, 2, 5, 7, 9]) assert.equal(times(n), 1, `producer ${n}`);
    for (const n of [6, 8]) assert.equal(times(n), 1, `the attempt of producer ${n} ended long ago`);
    for (const n of [11, 12, 13, 14]) {
      assert.equal(
        times(n),
        2,
        `producer ${n} is told again: an older address may still have been under way`,
      );
    }
    const due = pairs(await world.redis.command('ZRANGE', KEYS.due, 0, -1, 'WITHSCORES'));
    assert.deepEqual(Object.keys(due).toSorted(), [3, 4, 10].map(producer), 'missing, missing, no address');
    const records = await world.redis.hash(KEYS.deliveries);
    for (const record of Object.values(records)) assert.equal(JSON.parse(record).lease, undefined);
  });

  test('a live lease of version 1 is waited for to its end', async (t) => {
    const world = await upgrade(t);
    await drain(world, 1);
    const early = world.calls.map(({ address }) => PRODUCERS.get(address));
    assert.ok(!early.includes(11) && !early.includes(12));
  });

  test('the next change tells all of them again, and the records stay such that version 1 can read them', async (t) => {
    const world = await upgrade(t);
    await drain(world, 8);
    world.sees = ip('203.0.113.40');
    world.calls.length = 0;
    const { outcome, commit } = await world.app.ipCheck({}, invocation());
    assert.equal(outcome, 'changed');
    assert.equal(commit?.due, 12);
    assert.equal(commit?.skipped, 1);
    await drain(world, 1);
    assert.equal(world.calls.length, 11);
    for (const [uuid, text] of Object.entries(await world.redis.hash(KEYS.deliveries))) {
      for (const [field, value] of Object.entries(JSON.parse(text))) {
        const known = ['address', 'lastStatus', 'lease'].includes(field) ? 'string' : 'number';
        assert.equal(typeof value, known, `${field} of ${uuid}`);
        if (known === 'number') assert.ok(Number.isSafeInteger(value));
      }
    }
    const register = await world.redis.hash(KEYS.ip);
    for (const field of [
      'epoch',
      'since',
      'ticket',
      'recorded',
      'checkedAt',
      'verifiedAt',
      'unknownChecks',
    ]) {
      assert.match(register[field] ?? '', /^\d{1,15}$/, field);
    }
    assert.match(register.warnedAt ?? '0', /^\d{1,15}$/);
  });

  test('a round goes on with the consumers: who was alive stays so since then, and candidates under a uuid go', async (t) => {
    const world = await upgrade(t);
    const before = await world.redis.hash(KEYS.health);
    for (let i = 0; i < 2; i++) {
      await world.app.sync({}, invocation());
      world.nowMs += 5 * MINUTE;
    }
    const health = await world.redis.hash(KEYS.health);
    const sinceOf = (records: typeof health, n: number) => JSON.parse(records[consumer(n)] ?? '{}').since;
    for (const n of [3, 4, 5, 7]) {
      assert.equal(JSON.parse(health[consumer(n)] ?? '{}').state, 'alive', `consumer ${n}`);
      assert.equal(sinceOf(health, n), sinceOf(before, n), `consumer ${n} did not move`);
    }
    const called = new Set(world.calls.map(({ address }) => address));
    for (let n = 100; n < 160; n++) assert.ok(called.has(`192.0.2.${n}:80`), `consumer ${n} was new`);
    const candidates = await world.redis.hash(KEYS.candidates);
    for (const n of [2, 3, 4]) assert.equal(candidates[heard(n)], undefined, 'slots have numbers');
  });
});
