import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { FunctionKey } from '../../local/lambda.ts';
import { type Peer, startPeer } from '../support/peer-server.ts';
import { needsRealRedis, startTestRedis } from '../support/redis.ts';
import { startFunctions, startSources } from './harness.ts';

const needs = needsRealRedis();
const options = { ...needs, timeout: 90_000 };

/** One for the file, and none where it could not be killed and started again. */
const redis = needs.skip ? undefined : await startTestRedis({ after }, { engine: 'real', aof: true });
const sources = await startSources({ after });
const functions =
  redis &&
  (await startFunctions({ after }, { redis, env: { IP_SOURCES: sources.list, NOTIFY_TIMEOUT_MS: '500' } }));

beforeEach(async () => {
  await redis?.command('FLUSHALL');
});

function parts() {
  return redis && functions ? { redis, functions } : assert.fail('this test needs a real redis-server');
}

/** What a run answers that must not fail. */
async function succeed(name: FunctionKey): Promise<Record<string, unknown>> {
  const { failed, payload } = await parts().functions.invoke(name);
  assert.equal(failed, false, JSON.stringify(payload));
  return { ...(payload as object) };
}

/** A peer that gets its first request and does not answer until it is told to. */
async function startHesitant(t: TestContext): Promise<{ peer: Peer; answer: () => void }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const peer = await startPeer(t, async () => {
    await promise;
    return {};
  });
  return { peer, answer: resolve };
}

/** The run fails, and its log says that Redis is the reason and nothing that is not for an operator. */
async function assertClearFailure(name: FunctionKey, run: Promise<{ failed: boolean }>): Promise<void> {
  assert.equal((await run).failed, true);
  const line = await parts().functions.line(new RegExp(`"message":"The run failed".*-${name}"`));
  const { level, error } = JSON.parse(line);
  assert.deepEqual([level, error.name], ['ERROR', 'RedisUnavailableError']);
  assert.match(error.message, /Redis at 127\.0\.0\.1:\d+/);
}

test(
  'Redis is killed in the middle of a round: it fails clearly, and the next one writes everything',
  options,
  async (t) => {
    const { redis, functions } = parts();
    const consumers = await Promise.all([startHesitant(t), startHesitant(t)]);
    const uuids = consumers.map(() => randomUUID());
    for (const [index, { peer }] of consumers.entries()) {
      await redis.command('HSET', '{p2p}:consumers', uuids[index] ?? '', peer.address);
    }

    const run = functions.invoke('sync');
    await Promise.all(consumers.map(({ peer }) => peer.received(1)));
    await redis.kill();
    for (const { answer } of consumers) answer();
    await assertClearFailure('sync', run);
    await redis.restart();

    // The dead round's lease ends by itself within 30 s; the test does not wait for that.
    await redis.command('PEXPIRE', '{p2p}:lease:sync:0', 1);
    while ((await redis.command('EXISTS', '{p2p}:lease:sync:0')) === 1) await delay(5);
    assert.equal((await succeed('sync')).complete, true);
    for (const uuid of uuids) {
      const record = String(await redis.command('HGET', '{p2p}:consumers:health', uuid));
      assert.equal(JSON.parse(record).state, 'alive');
    }
  },
);

test(
  'Redis is killed in the middle of a check: it fails clearly, and the next one finds the change',
  options,
  async (t) => {
    const { redis, functions } = parts();
    const producer = await startPeer(t);
    await redis.command('HSET', '{p2p}:producers', randomUUID(), producer.address);
    const asked = Promise.withResolvers<void>();
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    for (const source of sources.peers) {
      source.respond(async () => {
        asked.resolve();
        await promise;
        return { body: '203.0.113.7' };
      });
    }

    const run = functions.invoke('ip-check');
    await asked.promise;
    await redis.kill();
    answer();
    await assertClearFailure('ip-check', run);
    await redis.restart();
    assert.equal(await redis.command('HGET', '{p2p}:ip', 'current'), null);

    assert.equal((await succeed('ip-check')).outcome, 'changed');
    const [told] = await producer.received(1);
    assert.equal(JSON.parse(told?.body ?? '{}').ip, '203.0.113.7');
  },
);

test(
  'Redis is killed in the middle of a delivery: it fails clearly, and a later run completes it',
  options,
  async (t) => {
    const { redis, functions } = parts();
    const { peer, answer } = await startHesitant(t);
    const uuid = randomUUID();
    await redis.command('HSET', '{p2p}:producers', uuid, peer.address);

    const run = functions.invoke('producer-notify', { ip: '203.0.113.8' });
    await peer.received(1);
    await redis.kill();
    answer();
    await assertClearFailure('producer-notify', run);
    await redis.restart();
    assert.notEqual(
      await redis.command('ZSCORE', '{p2p}:deliveries:due', uuid),
      null,
      'it is still to be told',
    );

    // The dead run's lease protects the delivery for 2 x NOTIFY_TIMEOUT_MS + 20 s.
    while (peer.requests.length < 2) {
      await succeed('producer-notify');
      await delay(500);
    }
    assert.equal(peer.requests[1]?.body, peer.requests[0]?.body);
    while ((await redis.command('ZCARD', '{p2p}:deliveries:due')) !== 0) await delay(20);
    const delivery = JSON.parse(String(await redis.command('HGET', '{p2p}:deliveries', uuid)));
    assert.equal(String(delivery.ackedEpoch), await redis.command('HGET', '{p2p}:ip', 'epoch'));
  },
);
