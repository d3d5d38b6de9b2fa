import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { bundle } from '../../host/bundle.ts';
import { feedOf } from '../support/feed.ts';
import { temporaryFolder } from '../support/owner.ts';
import { type Peer, startPeer } from '../support/peer-server.ts';
import { programEnv, ROOT } from '../support/processes.ts';
import { needsRealRedis, startTestRedis, type TestRedis } from '../support/redis.ts';
import { LOCAL_UUID, startSources } from './harness.ts';

const needs = needsRealRedis();
const options = { ...needs, timeout: 60_000 };

const folder = temporaryFolder({ after });
const bundled = join(folder, 'p2p-scheduler.mjs');
if (!needs.skip) await bundle(bundled);

/** Ways to start a host: from the checkout as `npm run host` does, and the bundle where nothing else is, with a terminal or without. */
const STARTS = {
  source: {
    command: process.execPath,
    args: ['--require', './local/preflight.cjs', 'host/start.ts'],
    cwd: ROOT,
  },
  bundle: { command: process.execPath, args: [bundled, 'host'], cwd: folder },
  nohup: { command: 'nohup', args: [process.execPath, bundled, 'host'], cwd: folder },
} as const;

interface HostProcess {
  readonly pid: number;
  readonly lines: readonly string[];
  /** Resolves with the line that is the `count`-th to match. Rejects if the process ends before. */
  line(pattern: RegExp, count?: number): Promise<string>;
  /** Its exit code, or the signal that ended it, once its output is at its end. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** The host as a process of its own that checks and synchronizes every second. Killed after the test. */
function startHost(
  t: TestContext,
  how: keyof typeof STARTS,
  { redis, sources, env = {} }: { redis: TestRedis; sources: string; env?: NodeJS.ProcessEnv },
): HostProcess {
  const { command, args, cwd } = STARTS[how];
  const child = spawn(command, args, {
    cwd,
    env: programEnv({
      LOCAL_ENV_FILE: '',
      LOCAL_UUID,
      REDIS_URL: redis.url,
      REDIS_TOKEN: redis.token,
      PEER_ALLOW_CIDRS: '127.0.0.1/32',
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      IP_SOURCES: sources,
      IP_CHECK_INTERVAL_MS: '1000',
      SYNC_INTERVAL_MS: '1000',
      // The gateway of the machine on which the tests run is left alone.
      IP_HINTS: 'interface',
      ...env,
    }),
  });
  const lines = feedOf(child);
  const ended = once(child, 'close').then(([code, signal]): number | NodeJS.Signals => code ?? signal);
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    pid: child.pid ?? assert.fail('it did not start'),
    lines: lines.items,
    ended,
    line: async (pattern, count = 1) =>
      (await lines.matching((line) => pattern.test(line), count))[count - 1] ?? '',
  };
}

/** Producers that are in Redis, in the order of their uuids. */
async function addProducers(redis: TestRedis, producers: readonly Peer[]): Promise<string[]> {
  const uuids = producers.map(() => randomUUID()).sort();
  await redis.command(
    'HSET',
    '{p2p}:producers',
    ...producers.flatMap(({ address }, index) => [uuids[index] ?? '', address]),
  );
  return uuids;
}

const ipsOf = ({ requests }: Peer) => requests.map(({ body }) => JSON.parse(body).ip);
const startRedis = (t: TestContext) => startTestRedis(t, { engine: 'real', aof: true });

describe('the scheduler on its own host', { concurrency: true }, () => {
  test('comes up before its network, takes an empty Redis, and bears its restart', options, async (t) => {
    const redis = await startRedis(t);
    await redis.kill();
    const sources = await startSources(t);
    for (const source of sources.peers) source.respond(() => 'reset');
    const host = startHost(t, 'source', { redis, sources: sources.list });

    await host.line(/ERROR Redis is away; each run tries again .*ECONNREFUSED/);
    await redis.restart();
    await host.line(/INFO {2}Redis is back/);
    await host.line(/The sources do not settle what our address is/);
    assert.equal(await redis.command('GET', '{p2p}:uuid'), LOCAL_UUID);

    const consumer = await startPeer(t);
    await redis.command('HSET', '{p2p}:consumers', randomUUID(), consumer.address);
    const [probe] = await consumer.received(1);
    assert.deepEqual(
      [probe?.method, probe?.path, probe?.body],
      ['POST', '/sync', `{"uuid":"${LOCAL_UUID}"}`],
    );

    const producers = await Promise.all([startPeer(t), startPeer(t), startPeer(t)]);
    await addProducers(redis, producers);
    sources.tell('203.0.113.1');
    const [first] = await Promise.all(producers.map(({ received }) => received(1)));
    assert.deepEqual(
      [first?.[0]?.method, first?.[0]?.path, first?.[0]?.body],
      ['POST', '/ip', `{"uuid":"${LOCAL_UUID}","ip":"203.0.113.1"}`],
    );

    // What is killed between a call and its settling waits for the end of the lease, half a minute.
    await host.line(/Told 3 producers .*acknowledged=3/);
    await redis.kill();
    sources.tell('203.0.113.2');
    await host.line(/Redis is away/, 2);
    await redis.restart();
    await Promise.all(producers.map(({ received }) => received(2)));
    for (const producer of producers) assert.deepEqual(ipsOf(producer), ['203.0.113.1', '203.0.113.2']);

    process.kill(host.pid, 'SIGTERM');
    assert.equal(await host.ended, 0);
    const telling = host.lines.filter((line) => /Redis is (away|back)/.test(line));
    assert.equal(telling.length, 4, `two outages, two lines each:\n${host.lines.join('\n')}`);
  });

  test('ended by SIGTERM while it delivers, finishes or hands back each delivery', options, async (t) => {
    const redis = await startTestRedis(t, { engine: 'real', transport: 'rest' });
    const sources = await startSources(t);
    sources.tell('203.0.113.1');
    const asked = Promise.withResolvers<void>();
    const slow = await startPeer(t, async () => {
      await asked.promise;
      return {};
    });
    const silent = await startPeer(t, () => 'hang');
    const [slowUuid = '', silentUuid = ''] = await addProducers(redis, [slow, silent]);
    const env = { NOTIFY_TIMEOUT_MS: '3000' };
    const host = startHost(t, 'bundle', { redis, sources: sources.list, env });
    await Promise.all([slow.received(1), silent.received(1)]);

    process.kill(host.pid, 'SIGTERM');
    await host.line(/The scheduler ends why=SIGTERM/);
    asked.resolve();

    assert.equal(await host.ended, 0);
    assert.deepEqual(await redis.command('ZRANGE', '{p2p}:deliveries:due', 0, -1), [silentUuid]);
    const records = await redis.command('HMGET', '{p2p}:deliveries', slowUuid, silentUuid);
    assert.ok(Array.isArray(records));
    const [told, untold] = records.map((record) => JSON.parse(String(record)));
    assert.equal(typeof told.ackedEpoch, 'number');
    assert.equal(untold.lease, undefined, 'handed back');
    assert.equal(await redis.command('EXISTS', '{p2p}:lease:notify'), 0);
  });

  test('ends in order when its terminal is closed, under nohup as well', options, async (t) => {
    const redis = await startRedis(t);
    const sources = await startSources(t);
    sources.tell('203.0.113.1');
    const slow = await startPeer(t, () => 'hang');
    await redis.command('HSET', '{p2p}:consumers', randomUUID(), slow.address);
    const start = { redis, sources: sources.list, env: { SYNC_TIMEOUT_MS: '20000' } };
    const host = startHost(t, 'nohup', start);
    await slow.received(1);

    process.kill(host.pid, 'SIGHUP');
    await host.line(/The scheduler ends why=SIGHUP/);
    assert.equal(await host.ended, 0);
    assert.equal(await redis.command('EXISTS', '{p2p}:lease:sync:0'), 0);
  });

  test('killed while it delivers, loses nothing', options, async (t) => {
    const redis = await startRedis(t);
    const sources = await startSources(t);
    sources.tell('203.0.113.1');
    const one = await startPeer(t, () => 'hang');
    const other = await startPeer(t, () => 'hang');
    const [oneUuid = '', otherUuid = ''] = await addProducers(redis, [one, other]);
    const start = { redis, sources: sources.list, env: { NOTIFY_CONCURRENCY: '1' } };
    const killed = startHost(t, 'bundle', start);
    await Promise.race([one.received(1), other.received(1)]);
    process.kill(killed.pid, 'SIGKILL');
    assert.equal(await killed.ended, 'SIGKILL');
    // Each change has an order of its own.
    const [hit, waiting, hitUuid] = one.requests.length > 0 ? [one, other, oneUuid] : [other, one, otherUuid];
    assert.equal(waiting.requests.length, 0);

    // As if the time of the leases had passed, half a minute.
    const record = JSON.parse(String(await redis.command('HGET', '{p2p}:deliveries', hitUuid)));
    assert.equal(typeof record.lease, 'string', 'it was killed while it delivered');
    await redis.command('HSET', '{p2p}:deliveries', hitUuid, JSON.stringify({ ...record, leaseEnd: 1 }));
    await redis.command('ZADD', '{p2p}:deliveries:due', 1, hitUuid);
    await redis.command('DEL', '{p2p}:lease:notify');
    for (const producer of [hit, waiting]) producer.respond({});
    startHost(t, 'bundle', start);

    await Promise.all([hit.received(2), waiting.received(1)]);
    for (const producer of [hit, waiting]) assert.equal(ipsOf(producer).at(-1), '203.0.113.1');
  });

  test('shares its Redis with a second one: each producer is told each change once', options, async (t) => {
    const redis = await startRedis(t);
    const sources = await startSources(t);
    sources.tell('203.0.113.1');
    const producers = await Promise.all([startPeer(t), startPeer(t)]);
    await addProducers(redis, producers);
    const start = { redis, sources: sources.list };
    const hosts = [startHost(t, 'source', start), startHost(t, 'bundle', start)];
    await Promise.all(hosts.map(({ line }) => line(/The scheduler runs on this host/)));
    await Promise.all(producers.map(({ received }) => received(1)));
    await Promise.race(hosts.map(({ line }) => line(/Told 2 producers .*acknowledged=2/)));
    sources.tell('203.0.113.2');
    await Promise.all(producers.map(({ received }) => received(2)));

    for (const { pid } of hosts) process.kill(pid, 'SIGTERM');
    assert.deepEqual(await Promise.all(hosts.map(({ ended }) => ended)), [0, 0]);
    for (const producer of producers) assert.deepEqual(ipsOf(producer), ['203.0.113.1', '203.0.113.2']);
    assert.equal(await redis.command('ZCARD', '{p2p}:deliveries:due'), 0);
  });

  test(
    'beats only while checks are recorded: not while it hangs, nor while Redis does',
    options,
    async (t) => {
      const redis = await startRedis(t);
      const [watched, clock] = await Promise.all([startPeer(t), startPeer(t)]);
      const [host] = [watched, clock].map((listener, i) => {
        const env = { REDIS_PREFIX: `{beats-${i}}:`, HEARTBEAT_URL: `http://${listener.address}/beat` };
        return startHost(t, 'bundle', { redis, sources: 'static:203.0.113.1', env });
      });
      const more = ({ requests, received }: Peer, count: number) => received(requests.length + count);
      const pathsOf = ({ requests }: Peer) => requests.map(({ path }) => path);
      await Promise.all([more(watched, 2), more(clock, 2)]);

      process.kill(host?.pid ?? 0, 'SIGSTOP');
      // What had left the process arrives before the next beats of another one, which go on.
      await more(clock, 2);
      const before = watched.requests.length;
      await more(clock, 4);
      assert.equal(watched.requests.length, before, 'a process that hangs beats no more');
      process.kill(host?.pid ?? 0, 'SIGCONT');
      await more(watched, 2);
      assert.deepEqual(new Set(pathsOf(watched)), new Set(['/beat']));

      const alive = watched.requests.length;
      process.kill(redis.server?.pid ?? 0, 'SIGSTOP');
      while (!pathsOf(watched).includes('/beat/fail')) await more(watched, 1);
      assert.ok(
        pathsOf(watched).indexOf('/beat/fail') <= alive + 1,
        'one check may have been recorded before',
      );
      process.kill(redis.server?.pid ?? 0, 'SIGCONT');
      while (pathsOf(watched).at(-1) !== '/beat') await more(watched, 1);
    },
  );

  test('refuses the Redis of another consumer, and says what to do', options, async (t) => {
    const redis = await startRedis(t);
    await redis.command('SET', '{p2p}:uuid', randomUUID());
    const host = startHost(t, 'source', { redis, sources: 'static:203.0.113.1' });
    await host.line(/This Redis belongs to another consumer: .*LOCAL_UUID/);
    assert.equal(await host.ended, 78);
  });
});
