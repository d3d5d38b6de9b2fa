import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisReplyError } from '../../../lib/errors.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import type { Reply, ScriptCall } from '../../../lib/redis/redis.ts';
import { type Hearsay, learnCall } from '../../../lib/sync/heard.ts';
import { OPEN_ROUND } from '../../../lib/sync/open.lua.ts';
import { SETTLE_CANDIDATES } from '../../../lib/sync/settle.lua.ts';
import { WRITE_ROUND } from '../../../lib/sync/write.lua.ts';
import { needsRealRedis, startTestRedis, type TestRedis } from '../../support/redis.ts';
import { KEYS, LOCAL_UUID, uuidOf } from './harness.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const NOW = 1_764_000_000_000;
const LEASE = KEYS.lease('sync:0');

function heard(n: number, ip: string, from = 1): Hearsay {
  const parsed = policy.parse(ip);
  if ('refused' in parsed) throw new Error(`${ip}: ${parsed.refused}`);
  return { uuid: asUuid(n), address: parsed.address, raw: ip, from: asUuid(from) };
}

function asUuid(n: number): Uuid {
  return parseUuid(uuidOf(n)) as Uuid;
}

/** A public v4 address in a /24 of its own. */
function spread(n: number): string {
  return `20.${n >> 8}.${n & 255}.1`;
}

for (const engine of ['real', 'embedded'] as const) {
  const options = engine === 'real' ? needsRealRedis() : {};

  const run = async ({ redis }: TestRedis, call: ScriptCall): Promise<Reply> => {
    const [reply] = await redis.send([call], { repeatable: false });
    if (reply instanceof RedisReplyError) throw reply;
    return reply ?? null;
  };
  const learn = (redis: TestRedis, hearsay: Hearsay[]) => run(redis, learnCall(hearsay, KEYS, NOW));
  const dead = (address: string) => JSON.stringify({ state: 'dead', address });

  test(`learn, ${engine}: 1,000 candidates in all, 50 of one teacher`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    const of = (teacher: number, from: number, count: number) =>
      Array.from({ length: count }, (_, i) => heard(from + i, spread(from + i), teacher));
    assert.equal(await learn(redis, of(1, 0, 60)), 50);
    assert.equal(await learn(redis, of(1, 60, 10)), 0);
    let learned = 50;
    for (let teacher = 2; teacher <= 22; teacher++) {
      learned += Number(await learn(redis, of(teacher, teacher * 100, 50)));
    }
    assert.equal(learned, 1_000);
    assert.equal(await redis.command('HLEN', KEYS.candidates), 1_000);
  });

  test(`learn, ${engine}: 10 in one /24 or /48, however they are spelled`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    const v4 = Array.from({ length: 12 }, (_, i) => heard(i, i % 2 ? `8.8.8.${i}` : `8.8.8.${i}:8080`));
    assert.equal(await learn(redis, v4), 10);
    assert.equal(await learn(redis, [heard(20, '8.8.9.1')]), 1);
    const v6 = [
      '2600:1f18:1::1',
      '2600:1f18:1:2::3',
      '[2600:1f18:1::2]:8080',
      '2600:1f18:1:ffff:ffff:ffff:ffff:ffff',
      ...Array.from({ length: 8 }, (_, i) => `2600:1f18:1:${i}::9`),
    ].map((ip, i) => heard(100 + i, ip, 2));
    assert.equal(await learn(redis, v6), 10);
    const zeros = ['2600::1', '2600:0:0:1::1', '2600:0:0:2:3:4:5:6'].map((ip) => ip);
    const many = Array.from({ length: 9 }, (_, i) => `2600::${i + 10}`);
    assert.equal(
      await learn(
        redis,
        [...zeros, ...many].map((ip, i) => heard(200 + i, ip, 3)),
      ),
      10,
    );
    assert.equal(await learn(redis, [heard(300, '2600:0:1::1', 4)]), 1);
  });

  test(
    `learn, ${engine}: a known consumer is of interest only if it is dead elsewhere`,
    options,
    async (t) => {
      const redis = await startTestRedis(t, { engine });
      await redis.command(
        'HSET',
        KEYS.consumers,
        uuidOf(1),
        '8.8.8.8',
        uuidOf(2),
        '8.8.8.8',
        uuidOf(3),
        '8.8.8.8',
      );
      await redis.command(
        ...(['HSET', KEYS.health, uuidOf(2), dead('8.8.8.8:80'), uuidOf(3), '{"state":"alive"}'] as const),
      );
      assert.equal(await learn(redis, [heard(1, '9.9.9.9'), heard(3, '9.9.9.9')]), 0);
      assert.equal(await learn(redis, [heard(2, '8.8.8.8:80')]), 0);
      assert.equal(await learn(redis, [heard(2, '9.9.9.9')]), 1);
      const capitals = 'ABCDEF00-0000-4000-8000-00000000000A';
      await redis.command('HSET', KEYS.consumers, capitals, '8.8.8.8');
      assert.equal(await learn(redis, [{ ...heard(4, '9.9.9.9'), uuid: parseUuid(capitals) as Uuid }]), 0);
    },
  );

  test(`learn, ${engine}: the first address stays until it has failed`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    const address = async () =>
      JSON.parse(String(await redis.command('HGET', KEYS.candidates, uuidOf(1)))).address;
    await learn(redis, [heard(1, '8.8.8.8'), heard(1, '9.9.9.9')]);
    assert.equal(await address(), '8.8.8.8');
    assert.equal(await learn(redis, [heard(1, '9.9.9.9')]), 0);
    const failed = { address: '8.8.8.8', from: uuidOf(1), at: 1, failures: 1 };
    await redis.command('HSET', KEYS.candidates, uuidOf(1), JSON.stringify(failed));
    assert.equal(await learn(redis, [heard(1, '8.8.8.8')]), 0);
    assert.equal(await learn(redis, [heard(1, '9.9.9.9')]), 1);
    assert.equal(await address(), '9.9.9.9');
  });

  test(`learn, ${engine}: a candidate that cannot be read counts, and is overwritten`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    await redis.command(
      'HSET',
      KEYS.candidates,
      uuidOf(1),
      '[1',
      uuidOf(2),
      '{"address":null,"from":7}',
      'x',
      '',
    );
    assert.equal(await learn(redis, [heard(1, '8.8.8.8'), heard(2, '9.9.9.9')]), 2);
    assert.equal(await redis.command('HLEN', KEYS.candidates), 3);
  });

  test(`learn, ${engine}: 1,000 at once`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    const all = Array.from({ length: 1_000 }, (_, n) => heard(n, spread(n), 2_000 + (n >> 5)));
    assert.equal(await learn(redis, all), 1_000);
  });

  const write = (
    redis: TestRedis,
    over: { token?: string; health?: string[]; act?: string; cursor?: string },
  ) =>
    run(redis, {
      script: WRITE_ROUND,
      keys: [LEASE, KEYS.health, KEYS.cursor, KEYS.consumers, KEYS.rounds],
      args: [
        over.token ?? 'mine',
        30_000,
        '0/1',
        over.cursor ?? '',
        NOW,
        over.act ?? 'renew',
        over.health?.length ?? 0,
        ...(over.health ?? []),
        ...(over.act?.startsWith('end') ? ['round', 'r'] : []),
      ],
    });

  test(`write, ${engine}: nothing without the lease`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    const all = { health: ['u', '{}'], cursor: '7@1', act: 'end-and-clean' };
    assert.deepEqual(await write(redis, all), [0, 0, []]);
    await redis.command('SET', LEASE, 'another');
    assert.deepEqual(await write(redis, all), [0, 0, []]);
    assert.equal(await redis.command('DBSIZE'), 1);
  });

  test(`write, ${engine}: health, cursor and renewal in one go, 3,000 at once`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    await redis.command('SET', LEASE, 'mine', 'PX', 1_000);
    const health = Array.from({ length: 3_000 }, (_, n) => [uuidOf(n), `{"n":${n}}`]).flat();
    assert.deepEqual(await write(redis, { health, cursor: '7@1' }), [1, 0, []]);
    assert.equal(await redis.command('HLEN', KEYS.health), 3_000);
    assert.equal(await redis.command('HGET', KEYS.health, uuidOf(2_999)), '{"n":2999}');
    assert.equal(await redis.command('HGET', KEYS.cursor, '0/1'), '7@1');
    assert.equal(await redis.command('HGET', KEYS.cursor, 'probed'), String(NOW));
    assert.ok(Number(await redis.command('PTTL', LEASE)) > 1_000);
    await write(redis, { cursor: '0' });
    assert.equal(await redis.command('HEXISTS', KEYS.cursor, '0/1'), 0);
  });

  test(
    `write, ${engine}: the end cleans up, keeps the summary and releases the lease`,
    options,
    async (t) => {
      const redis = await startTestRedis(t, { engine });
      await redis.command('SET', LEASE, 'mine');
      await redis.command('HSET', KEYS.consumers, 'a', '1', 'b', '2');
      await redis.command('HSET', KEYS.health, 'a', '{}', 'c', '{}', 'd', '{}');
      await redis.command('HSET', KEYS.cursor, 'health', 'rubbish');
      assert.deepEqual(await write(redis, { act: 'end-and-clean' }), [1, 2, []]);
      assert.deepEqual(await redis.command('HKEYS', KEYS.health), ['a']);
      assert.equal(await redis.command('XLEN', KEYS.rounds), 1);
      assert.equal(await redis.command('EXISTS', LEASE), 0);
      assert.equal(await redis.command('HEXISTS', KEYS.cursor, 'health'), 0);
    },
  );

  test(`write, ${engine}: a wrong type is an error before anything is written`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    await redis.command('SET', LEASE, 'mine');
    await redis.command('SET', KEYS.cursor, 'x');
    await assert.rejects(
      () => write(redis, { health: ['u', '{}'], cursor: '7@1' }),
      (error) => error instanceof RedisReplyError && error.code === 'WRONGTYPE',
    );
    assert.equal(await redis.command('EXISTS', KEYS.health), 0);
  });

  const settle = (redis: TestRedis, ...fates: string[][]) =>
    run(redis, {
      script: SETTLE_CANDIDATES,
      keys: [LEASE, KEYS.consumers, KEYS.health, KEYS.candidates],
      args: ['mine', ...fates.flatMap((fate) => [...fate, ...Array(8 - fate.length).fill('')])],
    });

  test(`settle, ${engine}: what has changed meanwhile is left alone`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    assert.deepEqual(await settle(redis, ['drop', 'u1', 'j']), [0, [], []]);
    await redis.command('SET', LEASE, 'mine');
    await redis.command(
      'HSET',
      KEYS.candidates,
      'u1',
      'j',
      'u2',
      'j',
      'u3',
      'j',
      'u4',
      'j',
      'u5',
      'j',
      'u7',
      'j',
      'u6',
      'other',
    );
    await redis.command(
      'HSET',
      KEYS.consumers,
      'u2',
      'by the API',
      'u3',
      'raw',
      'u4',
      'changed',
      'u7',
      'raw',
    );
    await redis.command('HSET', KEYS.health, 'u3', 'dead', 'u4', 'dead', 'u7', 'alive');
    assert.deepEqual(
      await settle(
        redis,
        ['promote', 'u1', 'j', 'a1', 'h1'],
        ['promote', 'u2', 'j', 'a2', 'h2'],
        ['move', 'u3', 'j', 'a3', 'h3', 'u3', 'raw', 'dead'],
        ['move', 'u4', 'j', 'a4', 'h4', 'u4', 'raw', 'dead'],
        ['keep', 'u5', 'j', 'j+1'],
        ['move', 'u7', 'j', 'a7', 'h7', 'u7', 'raw', 'dead'],
        ['drop', 'u6', 'j'],
      ),
      [1, ['u1'], ['u3']],
    );
    const all = async (key: string) => {
      const flat = ((await redis.command('HGETALL', key)) as string[]) ?? [];
      return Object.fromEntries(flat.flatMap((each, i) => (i % 2 ? [] : [[each, flat[i + 1]]])));
    };
    assert.deepEqual(await all(KEYS.consumers), {
      u1: 'a1',
      u2: 'by the API',
      u3: 'a3',
      u4: 'changed',
      u7: 'raw',
    });
    assert.deepEqual(await all(KEYS.health), { u1: 'h1', u3: 'h3', u4: 'dead', u7: 'alive' });
    assert.deepEqual(await all(KEYS.candidates), { u5: 'j+1', u6: 'other' });
  });

  const open = (redis: TestRedis, token = 'mine') =>
    run(redis, {
      script: OPEN_ROUND,
      keys: [KEYS.uuid, LEASE, KEYS.consumers, KEYS.health, KEYS.cursor, KEYS.ip, KEYS.candidates],
      args: [LOCAL_UUID, token, 30_000, '1', '0/1', '0/2'],
    });

  test(`open, ${engine}: identity, then lease, then what the round starts from`, options, async (t) => {
    const redis = await startTestRedis(t, { engine });
    assert.deepEqual(await open(redis), ['identity', null]);
    await redis.command('SET', KEYS.uuid, uuidOf(9));
    assert.deepEqual(await open(redis), ['identity', uuidOf(9)]);
    assert.equal(await redis.command('EXISTS', LEASE), 0);

    await redis.command('SET', KEYS.uuid, LOCAL_UUID.toUpperCase());
    await redis.command('HSET', KEYS.consumers, 'a', '1');
    await redis.command('HSET', KEYS.ip, 'current', '8.8.8.8');
    await redis.command('HSET', KEYS.cursor, '0/2', '7@1');
    await redis.command('HSET', KEYS.candidates, 'u', 'j');
    const opened = ['ok', 1, ['8.8.8.8', null], [null, '7@1'], ['u', 'j'], []];
    assert.deepEqual(await open(redis), opened);
    assert.deepEqual(await open(redis), opened, 'a repetition takes its own lease again');
    assert.deepEqual(await open(redis, 'another'), ['held']);
  });
}
