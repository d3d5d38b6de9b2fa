import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { encodeHealth, NO_OUTCOMES } from '../../../lib/store/health-record.ts';
import { MINUTE } from '../../support/clock.ts';
import { countingRedis } from '../../support/counting-redis.ts';
import { closedPort } from '../../support/fake-redis.ts';
import { type Fields, redisForSuite } from '../../support/redis.ts';
import { roundEntry } from '../../support/report-states.ts';
import { uuidOf } from '../../support/uuids.ts';
import { envOf, faultsOfText, KEYS, LOCAL_UUID, p2p, redisNow } from './harness.ts';

describe('p2p status', () => {
  const testRedis = redisForSuite();
  const run = (...args: string[]) => p2p(['status', ...args], { env: envOf(testRedis()) });
  let now = 0;
  beforeEach(async () => {
    await testRedis().command('FLUSHALL');
    now = await redisNow(testRedis());
  });

  const set = (fields: Fields) => testRedis().put(KEYS.ip, fields);
  const round = (at: number, summary: object) => testRedis().append(KEYS.rounds, roundEntry(at, summary));
  const health = (address: string, state: 'alive' | 'dead', lookedAt: number) =>
    encodeHealth({
      state,
      address,
      since: lookedAt,
      ...(state === 'alive'
        ? { lastOk: lookedAt }
        : { lastFail: lookedAt, lastError: 'timeout', fails: 3, counted: 3, due: lookedAt + 10 * MINUTE }),
      recent: NO_OUTCOMES,
    });

  async function seed() {
    await testRedis().command('SET', KEYS.uuid, LOCAL_UUID);
    await set({
      current: '203.0.113.7',
      epoch: now - 60 * MINUTE,
      since: now - 60 * MINUTE,
      checkedAt: now,
      verifiedAt: now,
    });
    await testRedis().command('HSET', KEYS.consumers, uuidOf(1), '127.0.0.1:81', uuidOf(2), '127.0.0.1:82');
    await testRedis().put(KEYS.health, {
      [uuidOf(1)]: health('127.0.0.1:81', 'alive', now),
      [uuidOf(2)]: health('127.0.0.1:82', 'dead', now),
    });
    await testRedis().command('HSET', KEYS.producers, uuidOf(3), '127.0.0.1:83');
    await testRedis().append(KEYS.ipHistory, {
      from: '203.0.113.1',
      to: '203.0.113.7',
      epoch: now - 60 * MINUTE,
      at: now - 60 * MINUTE,
      votes: '{}',
    });
    await testRedis().append(KEYS.ipHistory, {
      epoch: now - 60 * MINUTE,
      firstAck: now - 60 * MINUTE + 64,
      lastAck: now - 60 * MINUTE + 1_400,
      told: 1,
    });
    await round(now - MINUTE, { complete: true, probes: 2, durationMs: 3_000, errors: { timeout: 1 } });
  }

  test('begins with the verdict, and ends with 0, where all is well', async () => {
    await seed();
    const { code, out, err } = await run();
    assert.equal(code, 0);
    assert.equal(err, '');
    assert.deepEqual(faultsOfText(out), []);
    const [verdict] = out.split('\n');
    assert.equal(verdict, 'OK         1 of 2 consumers alive, 1 producer told');
    assert.match(
      out,
      /^address {4}203\.0\.113\.7, confirmed \d s ago|^address {4}203\.0\.113\.7, confirmed just now/m,
    );
    assert.match(out, /^changes {4}60 min ago: 203\.0\.113\.1 -> 203\.0\.113\.7, 1 told within 1\.4 s$/m);
    assert.match(out, /^producers {2}1 known, none to be told$/m);
    assert.match(out, /^consumers {2}2 known: 1 alive, 0 suspect, 1 dead, 0 new$/m);
    assert.match(out, /^rounds {5}\d+ s ago: complete, 2 calls in 3\.0 s, timeout 1$/m);
  });

  test('reads nothing but Redis, in four requests and twenty commands, and writes nothing', async () => {
    await seed();
    const redis = countingRedis(testRedis().redis);
    await p2p(['status'], { env: envOf(testRedis()), brought: { redis } });
    assert.ok(redis.trips <= 4, `${redis.trips} requests`);
    assert.ok(redis.sent.length <= 20, `${redis.sent.length} commands`);
    assert.ok(
      redis.sent.every((name) =>
        /^(TIME|GET|HGETALL|HMGET|HLEN|HVALS|XREVRANGE|ZCARD|ZRANGE|ZCOUNT|MGET)$/.test(name),
      ),
      redis.sent.join(),
    );
  });

  test('says who is not told yet, why, and when next', async () => {
    await seed();
    await testRedis().command('ZADD', KEYS.due, now + 3 * MINUTE, uuidOf(3));
    await testRedis().put(KEYS.deliveries, {
      [uuidOf(3)]: JSON.stringify({ leaseEpoch: now - 60 * MINUTE, attempts: 4, lastStatus: 'timeout' }),
    });
    const { code, out } = await run();
    assert.equal(code, 1);
    assert.match(
      out,
      /^ATTENTION {2}1 producer not told\n\n- 1 producer not told, 60 min after the change of the address\.$/m,
    );
    assert.match(out, /^ {11}00000003 {2}127\.0\.0\.1:83 +retrying timeout, 4 tries, in 3m$/m);
  });

  test('calls what has not been looked at for long unknown, never ok', async () => {
    await seed();
    const long = now - 60 * MINUTE;
    await set({ checkedAt: long, verifiedAt: long });
    await testRedis().command('HSET', KEYS.health, uuidOf(1), health('127.0.0.1:81', 'alive', long));
    await testRedis().command('DEL', KEYS.rounds);
    await round(long, { complete: true, mirror: { seen: { '203.0.113.7': 6 }, reached: 5, unreached: 1 } });
    const { code, out } = await run();
    assert.match(out, /^peers say {2}unknown by now: peers were asked 60 min ago$/m);
    assert.equal(code, 1);
    assert.match(out, /^UNKNOWN /);
    assert.match(out, /^address {4}unknown; it was 203\.0\.113\.7$/m);
    assert.match(out, /^consumers {2}2 known: 0 alive, 0 suspect, 1 dead, 0 new, 1 unknown$/m);
    const json = (await run('--json')).json();
    assert.equal(json.verdict, 'unknown');
    assert.deepEqual((json.address as Record<string, unknown>).confirmed, false);
  });

  test('of an empty Redis is unknown, and leaves it empty', async () => {
    const { code, out } = await run();
    assert.equal(code, 1);
    assert.match(out, /^UNKNOWN {4}Nothing has run on this Redis yet$/m);
    assert.equal(await testRedis().command('DBSIZE'), 0);
  });

  test('of a Redis that is away is unknown, with exit code 3', async () => {
    const env = envOf({ url: `redis://:planted-secret@127.0.0.1:${await closedPort()}` });
    const text = await p2p(['status'], { env });
    assert.equal(text.code, 3);
    assert.match(text.out, /^UNKNOWN {4}Redis cannot be asked\n/);
    const json = await p2p(['status', '--json'], { env });
    assert.equal(json.code, 3);
    assert.equal(json.json().verdict, 'unknown');
    for (const each of [json, await p2p(['consumers', '--json'], { env })]) {
      assert.equal((each.json().error as Record<string, unknown>).kind, 'redis-unavailable');
    }
    assert.doesNotMatch(text.out + text.err + json.out + json.err, /planted/);
  });

  test("shows nothing of another consumer's Redis", async () => {
    await seed();
    await testRedis().command('SET', KEYS.uuid, uuidOf(9));
    const { code, out } = await run();
    assert.equal(code, 3);
    assert.match(out, /^UNKNOWN /);
    assert.doesNotMatch(out, /203\.0\.113|127\.0\.0\.1/);
    for (const command of ['status', 'history']) {
      const { error } = (await p2p([command, '--json'], { env: envOf(testRedis()) })).json();
      assert.equal((error as Record<string, unknown>).kind, 'redis-foreign');
    }
  });

  test('bears poison in every key, and shows none of it as it is', async () => {
    await seed();
    const poison = '\u001b[2J\u001b]0;owned\u0007\u202e\r\n"\\';
    await testRedis().command('HSET', KEYS.consumers, poison, poison, uuidOf(4), poison);
    await testRedis().command('HSET', KEYS.health, poison, poison, uuidOf(4), poison);
    await testRedis().command('HSET', KEYS.producers, poison, poison);
    await testRedis().put(KEYS.deliveries, { [poison]: JSON.stringify({ lastStatus: poison, attempts: 3 }) });
    await testRedis().command('ZADD', KEYS.due, now, poison, now, uuidOf(3));
    await testRedis().append(KEYS.rounds, {
      [poison]: poison,
      round: poison,
      shard: 0,
      of: 1,
      at: now,
      summary: poison,
    });
    await testRedis().append(KEYS.ipHistory, {
      from: poison,
      to: '203.0.113.8',
      epoch: now,
      at: now,
      votes: JSON.stringify({ [poison]: poison }),
    });
    await set({ candidate: poison, [poison]: poison });
    for (const command of ['status', 'consumers', 'producers', 'history']) {
      const text = await p2p([command], { env: envOf(testRedis()) });
      assert.ok(text.code <= 1, `${command}: ${text.err}`);
      assert.deepEqual(faultsOfText(text.out), [], command);
      const json = await p2p([command, '--json'], { env: envOf(testRedis()) });
      assert.doesNotMatch(json.out.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u, command);
      JSON.parse(json.out);
    }
  });

  test('goes on where a key holds another type, and names it', async () => {
    await seed();
    for (const key of [KEYS.consumers, KEYS.rounds, KEYS.due, KEYS.health]) {
      await testRedis().command('DEL', key);
      await testRedis().command('SET', key, 'oops');
    }
    const { code, out } = await run();
    assert.equal(code, 1);
    assert.match(out, /^ATTENTION /);
    for (const key of [KEYS.consumers, KEYS.rounds, KEYS.due, KEYS.health]) assert.ok(out.includes(key), key);
    assert.match(out, /203\.0\.113\.7, confirmed/);
    assert.match(out, /^consumers {2}not known\nrounds {5}not known$/m);
  });

  test('names a key that stops a job, and says nothing else of what cannot be read in it', async () => {
    for (const key of [
      KEYS.consumers,
      KEYS.health,
      KEYS.cursor,
      KEYS.rounds,
      KEYS.producers,
      KEYS.deliveries,
    ]) {
      await testRedis().command('FLUSHALL');
      await seed();
      await testRedis().command('DEL', key);
      await testRedis().command('SET', key, 'oops');
      const { reasons } = (await run('--json')).json();
      const told = (reasons as { code: string; text: string }[]).map(({ code, text }) => [code, text]);
      assert.deepEqual(told, [
        ['redis-types', `The key ${key} in Redis holds another type than ours. \`doctor\` says what to do.`],
      ]);
    }
  });

  test('does not read twenty thousand consumers unless it is told to', async () => {
    await seed();
    for (let from = 0; from < 20_000; from += 5_000) {
      const entries = Array.from({ length: 5_000 }, (_, i) => [
        uuidOf(100 + from + i),
        '127.0.0.1:81',
      ]).flat();
      await testRedis().command('HSET', KEYS.consumers, ...entries);
    }
    await round(now, {
      complete: true,
      states: { new: 0, alive: 19_000, suspect: 2, dead: 998 },
      skipped: { 'not-public': 2 },
    });
    const redis = countingRedis(testRedis().redis);
    const few = await p2p(['status'], { env: envOf(testRedis()), brought: { redis } });
    assert.ok(redis.sent.length <= 20, `${redis.sent.length} commands`);
    assert.match(few.out, /20,002 known: 19,000 alive, 2 suspect, 998 dead, 0 new/);
    assert.match(few.out, /as of the round/);
    assert.match(few.out, /^ {11}unusable: not-public 2; p2p consumers --state unusable$/m);
    const all = await p2p(['status', '--all'], { env: envOf(testRedis()) });
    assert.match(all.out, /20,002 known: 1 alive, 0 suspect, 1 dead, 20,000 new/);
  });
});
