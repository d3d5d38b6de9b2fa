import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { decodePartState } from '../../lib/store/part-state.ts';
import type { RoundSummary } from '../../lib/sync/summary.ts';
import { hasRealRedis, startTestRedis } from '../support/redis.ts';
import { uuidOf } from '../support/uuids.ts';
import { startFunctions, startSources } from './harness.ts';

/** A tenth of them on the embedded engine, which takes most of the time of this test. */
const CONSUMERS = hasRealRedis() ? 20_000 : 2_000;
const SHARDS = 4;
const CHUNK = 5_000;
const options = { timeout: 180_000, ...needsLoopbackNetwork() };

/** Only Linux answers on all of 127.0.0.0/8 unasked. In CI a test that is skipped must not look like a pass. */
function needsLoopbackNetwork(): { skip?: string } {
  if (process.platform === 'linux') return {};
  if (process.env.CI) throw new Error('CI needs Linux: tests on 127.0.0.0/8 must not be skipped there.');
  return { skip: 'NEEDS Linux, where every address of 127.0.0.0/8 is this machine' };
}

function ipOf(index: number): string {
  return `127.7.${index >> 8}.${index & 255}`;
}

/** One server that is every peer of 127.7.0.0/16. Each names itself, as a consumer does that has our extensions. */
async function startPeers(t: TestContext) {
  const calls = new Map<string, number>();
  const strays: string[] = [];
  const server = createServer((request, response) => {
    const ip = request.socket.localAddress ?? '';
    const [, network, high, low] = ip.split('.').map(Number);
    if (network !== 7 || request.method !== 'POST' || request.url !== '/sync') {
      strays.push(`${request.method} ${request.url} at ${ip}`);
      response.writeHead(404).end();
      return;
    }
    calls.set(ip, (calls.get(ip) ?? 0) + 1);
    request.resume();
    response.end(JSON.stringify({ uuid: uuidOf((high ?? 0) * 256 + (low ?? 0)) }));
  });
  server.listen({ host: '0.0.0.0', port: 0, backlog: 4_096 });
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { port: (server.address() as AddressInfo).port, calls, strays };
}

/** Its summaries are in the stream when this resolves: with them a shard has ended. */
async function allShardsEnded(command: Awaited<ReturnType<typeof startTestRedis>>['command']) {
  while (Number(await command('XLEN', '{p2p}:sync:rounds')) < SHARDS) await delay(50);
  const entries = (await command('XRANGE', '{p2p}:sync:rounds', '-', '+')) as [string, string[]][];
  return entries.map(([, flat]) => {
    const field = (name: string) => flat[flat.indexOf(name) + 1] ?? '';
    const { probes, shardsStarted, states, complete, skipped } = JSON.parse(field('summary')) as RoundSummary;
    return {
      ...{ round: field('round'), at: field('at'), of: Number(field('of')), shard: Number(field('shard')) },
      ...{ probes, shardsStarted, alive: states.alive, complete, skipped },
    };
  });
}

test(
  `a round of ${CONSUMERS.toLocaleString('en-US')} consumers runs in ${SHARDS} functions that start each other and call everyone once between them`,
  options,
  async (t) => {
    const peers = await startPeers(t);
    const redis = await startTestRedis(t);
    const sources = await startSources(t);
    const functions = await startFunctions(t, {
      redis,
      env: {
        IP_SOURCES: sources.list,
        PEER_ALLOW_CIDRS: '127.0.0.0/8',
        SYNC_SHARD_ABOVE: String(CONSUMERS / SHARDS),
        SYNC_MAX_SHARDS: String(SHARDS),
        // A call that waits for its turn on a busy machine is no failure.
        SYNC_TIMEOUT_MS: '20000',
        SYNC_CONCURRENCY: '64',
      },
    });
    const indices = [...Array(CONSUMERS).keys()];
    for (let from = 0; from < CONSUMERS; from += CHUNK) {
      const fields = indices
        .slice(from, from + CHUNK)
        .flatMap((index) => [uuidOf(index), `${ipOf(index)}:${peers.port}`]);
      await redis.command('HSET', '{p2p}:consumers', ...fields);
    }

    const { failed, payload } = await functions.invoke('sync', { source: 'schedule' });
    assert.equal(failed, false, JSON.stringify(payload));
    const shards = (await allShardsEnded(redis.command)).sort((a, b) => a.shard - b.shard);

    assert.deepEqual(
      shards.map(({ shard, of, shardsStarted, complete, skipped }) => ({
        ...{ shard, of, shardsStarted, complete, skipped },
      })),
      [SHARDS - 1, 0, 0, 0].map((shardsStarted, shard) => ({
        ...{ shard, of: SHARDS, shardsStarted, complete: true, skipped: {} },
      })),
    );
    assert.equal(new Set(shards.map(({ round, at }) => `${round} ${at}`)).size, 1, 'one round');
    assert.ok(
      shards.every(({ probes }) => probes > 0),
      'each shard has its part',
    );
    for (const count of ['probes', 'alive'] as const) {
      assert.equal(
        shards.reduce((sum, shard) => sum + shard[count], 0),
        CONSUMERS,
        count,
      );
    }

    assert.deepEqual(peers.strays, []);
    assert.equal(peers.calls.size, CONSUMERS);
    assert.ok([...peers.calls.values()].every((calls) => calls === 1));
    const health = (await redis.command('HGETALL', '{p2p}:consumers:health')) as string[];
    assert.equal(health.length, 2 * CONSUMERS);
    for (let i = 0; i < health.length; i += 2) {
      const { state, address } = JSON.parse(health[i + 1] ?? '{}');
      const ip = ipOf(Number.parseInt(health[i] ?? '', 16));
      assert.deepEqual({ state, address }, { state: 'alive', address: `${ip}:${peers.port}` });
    }

    for (let shard = 0; shard < SHARDS; shard++) {
      assert.equal(await redis.command('EXISTS', `{p2p}:lease:sync:${shard}`), 0);
      const state = decodePartState(
        await redis.command('HGET', '{p2p}:sync:cursor', `${shard}/${SHARDS}`),
        Date.now(),
      );
      assert.equal(state.position, undefined, 'the pass has ended');
    }
    assert.equal(functions.lines.filter((line) => /"level":"(WARN|ERROR)"/.test(line)).length, 0);
  },
);
