import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createBootClock } from '../../../host/clock.ts';
import { TIME_LIMITS_MS } from '../../../host/jobs.ts';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedis } from '../../../lib/redis/client.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { startEmbeddedRedis } from '../../../local/redis/embedded.ts';
import { createMachine } from '../../support/clock.ts';
import { startPeer } from '../../support/peer-server.ts';
import { startTestRedis } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { configOf, LOCAL_UUID, quickHost, startJobs } from './harness.ts';

const SCHEDULED = { source: 'schedule' };
const TIMEOUT = { timeout: 60_000 };

describe('the jobs of a host', TIMEOUT, () => {
  test('have the time limits of the functions in serverless.yml', () => {
    const yml = readFileSync(new URL('../../../serverless.yml', import.meta.url), 'utf8');
    const found = yml.matchAll(/^ {2}(sync|ip-check|producer-notify):\n[\s\S]*?\n {4}timeout: (\d+)$/gm);
    const limits = Object.fromEntries([...found].map(([, name, seconds]) => [name, Number(seconds) * 1_000]));
    assert.deepEqual(TIME_LIMITS_MS, limits);
  });

  test('tell a change of the address to every producer, in the same process', async (t) => {
    const redis = await startTestRedis(t);
    const producers = await Promise.all([startPeer(t), startPeer(t)]);
    for (const [n, { address }] of producers.entries()) {
      await redis.command('HSET', '{p2p}:producers', uuidOf(n), address);
    }
    const jobs = startJobs(t, configOf({ REDIS_URL: redis.url }));

    await jobs.run('ip-check', SCHEDULED);

    for (const producer of producers) {
      const [request] = await producer.received(1);
      assert.equal(request?.path, '/ip');
      assert.deepEqual(JSON.parse(request.body), { uuid: LOCAL_UUID, ip: '203.0.113.7' });
    }
    const [told] = await jobs.matching(
      /Told \d+ producers? 203\.0\.113\.\d+ in \d+ ms job=producer-notify run=/,
    );
    assert.match(told ?? '', /acknowledged=2/);
    const [changed] = await jobs.matching(/Our address is [\d.]+: .* job=ip-check run=/);
    const runOf = (line = '') => /run=([\w-]+)/.exec(line)?.[1];
    assert.notEqual(runOf(told), runOf(changed), 'each run has an id of its own');
  });

  test('run a large round in shards that call each consumer once', async (t) => {
    const redis = await startTestRedis(t);
    const consumers = await Promise.all(Array.from({ length: 8 }, () => startPeer(t)));
    for (const [n, { address }] of consumers.entries()) {
      await redis.command('HSET', '{p2p}:consumers', uuidOf(n), address);
    }
    const config = configOf({ REDIS_URL: redis.url, SYNC_SHARD_ABOVE: '2', SYNC_MAX_SHARDS: '4' });
    const jobs = startJobs(t, config);

    await jobs.run('sync', SCHEDULED);

    const ended = await jobs.matching(/The round has ended/, 4);
    const shards = ended.map((line) => / shard=(\d) of=4 /.exec(line)?.[1]);
    assert.deepEqual(shards.sort(), ['0', '1', '2', '3']);
    assert.deepEqual(
      consumers.map(({ requests }) => requests.length),
      consumers.map(() => 1),
    );
  });

  test('invoke nothing that is not here', async (t) => {
    const jobs = startJobs(t, configOf({ REDIS_URL: 'redis://127.0.0.1:1' }));
    await assert.rejects(jobs.invoke('p2p-prod-sync', {}), /runs no function p2p-prod-sync/);
  });

  test('bear a Redis that is away for hours: two lines in the log, no socket and no memory left over', async (t) => {
    const first = await startEmbeddedRedis();
    const { port } = new URL(first.url);
    await first.close();
    const config = configOf({ REDIS_URL: `redis://127.0.0.1:${port}` });
    // Tries again without a pause, so that an hour of it does not take an hour.
    const host = { ...quickHost, sleep: () => Promise.resolve() };
    const jobs = startJobs(t, config, { redis: createRedis({ ...config.redis, host }) });
    const timers = active('Timeout');
    const runs = async (count: number) => {
      for (let i = 0; i < count; i++) await jobs.run(i % 5 === 0 ? 'sync' : 'ip-check', SCHEDULED);
    };

    await runs(100);
    const before = await memory(timers);
    await runs(400);
    const after = await memory(timers);

    assert.equal(jobs.lines.length, 1, jobs.lines.join(''));
    assert.match(jobs.lines[0] ?? '', /ERROR Redis is away; .*ECONNREFUSED/);
    assert.deepEqual(after.sockets, before.sockets);
    // 400 runs that each left 10 KB behind would be 4 MB.
    assert.ok(after.heap - before.heap < 4_000_000, `${before.heap} → ${after.heap}`);

    const second = await startEmbeddedRedis({ port: Number(port) });
    t.after(second.close);
    await jobs.run('sync', SCHEDULED);
    assert.match(jobs.lines.at(-1) ?? '', /INFO {2}Redis is back forSeconds=\d+ failedRuns=500/);
  });

  test('go on when a run does not end in its time', async (t) => {
    const answer = Promise.withResolvers<never>();
    const redis: Redis = { send: () => answer.promise, close: async () => {} };
    const machine = createMachine();
    const config = configOf({ REDIS_URL: 'redis://127.0.0.1:1' });
    const jobs = startJobs(t, config, { redis, host: machine, clock: createBootClock(machine) });

    await jobs.run('ip-check', SCHEDULED);

    assert.equal(jobs.leftBehind, 1, 'which keeps the watchdog from being fed');
    assert.match(jobs.lines[0] ?? '', /ERROR A run has outlived its time and was left behind job=ip-check/);
    answer.reject(new Error('at last'));
    await jobs.matching(/at last/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(jobs.leftBehind, 0);
  });
});

describe('jobs that have to end', TIMEOUT, () => {
  test('wait for the producers that are being told, and start nothing any more', async (t) => {
    const redis = await startTestRedis(t);
    const asked = Promise.withResolvers<void>();
    const producer = await startPeer(t, async () => {
      await asked.promise;
      return {};
    });
    await redis.command('HSET', '{p2p}:producers', uuidOf(1), producer.address);
    const jobs = startJobs(t, configOf({ REDIS_URL: redis.url }));
    await jobs.run('ip-check', SCHEDULED);
    await producer.received(1);

    const ended = jobs.end(8_000);
    await assert.rejects(jobs.invoke('sync', {}), /The host is ending/);
    await jobs.run('sync', SCHEDULED);
    asked.resolve();
    await ended;

    assert.equal(
      await redis.command('ZCARD', '{p2p}:deliveries:due'),
      0,
      'it was told, and that was written',
    );
    assert.equal(await redis.command('EXISTS', '{p2p}:lease:notify'), 0);
    assert.ok(!jobs.lines.some((line) => line.includes('job=sync')));
  });

  test('hand back a delivery that takes too long', async (t) => {
    const redis = await startTestRedis(t);
    const producer = await startPeer(t, () => 'hang');
    await redis.command('HSET', '{p2p}:producers', uuidOf(1), producer.address);
    const jobs = startJobs(t, configOf({ REDIS_URL: redis.url, NOTIFY_TIMEOUT_MS: '60000' }));
    await jobs.run('ip-check', SCHEDULED);
    await producer.received(1);

    await jobs.end(2_200);

    const record = JSON.parse(String(await redis.command('HGET', '{p2p}:deliveries', uuidOf(1))));
    assert.equal(record.lease, undefined);
    assert.equal(typeof record.ambiguousEpoch, 'number', 'it may have arrived');
    assert.equal(await redis.command('ZCARD', '{p2p}:deliveries:due'), 1);
    assert.equal(await redis.command('EXISTS', '{p2p}:lease:notify'), 0);
  });

  test('that Redis leaves waiting when they are ended say so in a line without a stack', async (t) => {
    const asked = Promise.withResolvers<void>();
    const redis: Redis = {
      send: async (_commands, { signal }) => {
        asked.resolve();
        if (signal !== undefined && !signal.aborted) await once(signal, 'abort');
        throw new RedisUnavailableError('Redis did not answer.', { mayHaveRun: true });
      },
      close: async () => {},
    };
    const jobs = startJobs(t, configOf({ REDIS_URL: 'redis://127.0.0.1:1' }), { redis });
    void jobs.run('ip-check', SCHEDULED);
    await asked.promise;
    await jobs.end(100);
    assert.match(jobs.lines.join(''), /A run was cut short; .* reason="Redis did not answer\."\n$/);
    assert.doesNotMatch(jobs.lines.join(''), /frames/);
  });

  test('end a round early, and the next one goes on', async (t) => {
    const redis = await startTestRedis(t);
    const consumer = await startPeer(t, () => 'hang');
    await redis.command('HSET', '{p2p}:consumers', uuidOf(1), consumer.address);
    const config = configOf({ REDIS_URL: redis.url, SYNC_TIMEOUT_MS: '20000' });
    const jobs = startJobs(t, config);
    const round = jobs.run('sync', SCHEDULED);
    await consumer.received(1);

    await jobs.end(8_000);
    await round;

    assert.match(jobs.lines.join(''), /The round has ended .*complete=false /);
    assert.equal(await redis.command('EXISTS', '{p2p}:lease:sync:0'), 0);
    consumer.respond({});
    await startJobs(t, config).run('sync', SCHEDULED);
    assert.equal(consumer.requests.length, 2);
  });
});

const active = (name: string) =>
  process.getActiveResourcesInfo().filter((resource) => resource.startsWith(name)).length;

/** What is left once there are as few timers as there were: those of closed connections run for another 200 ms. */
async function memory(timers: number): Promise<{ heap: number; sockets: number }> {
  while (active('Timeout') > timers) await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  assert.ok(typeof collect === 'function');
  collect();
  return { heap: process.memoryUsage().heapUsed, sockets: active('TCP') };
}
