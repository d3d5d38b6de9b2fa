import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Context } from 'aws-lambda';
import { type AppParts, createParts, syncParts } from '../../../lib/app.ts';
import type { Config } from '../../../lib/config.ts';
import type { Invoke } from '../../../lib/host.ts';
import { runIpCheck } from '../../../lib/ip/check.ts';
import { createHandler, type Job } from '../../../lib/lambda/handler.ts';
import { runProducerNotify } from '../../../lib/notify/notify.ts';
import { runSync } from '../../../lib/sync/round.ts';
import type { Owner } from '../../support/owner.ts';
import { startPeer } from '../../support/peer-server.ts';
import { startTestRedis } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { configOf, keepLog, LOCAL_UUID, quickHost, startJobs } from './harness.ts';

const SCHEDULED = { source: 'schedule' };

/** The functions as Lambda runs them, without Lambda. What they invoke runs in the background until `settled`. */
function startFunctions(t: Owner, config: Config) {
  const { log, lines } = keepLog();
  const background: Promise<unknown>[] = [];
  const functions: Record<string, (event: unknown) => Promise<unknown>> = {};
  const invoke: Invoke = async (name, payload) => {
    background.push(functions[name]?.(payload) ?? assert.fail(name));
  };
  const parts = createParts({ config, log, invoke, host: quickHost });
  t.after(() => parts.redis.close());
  const functionOf = <Summary extends object>(run: Job<Summary>['run']) => {
    const handler = createHandler(
      { run, metrics: () => ({}) },
      {
        openParts: () => parts,
        writer: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
        publish: () => {},
      },
    );
    return (event: unknown) => handler(event, contextOf());
  };
  const sync = functionOf((event, invocation, given: AppParts) =>
    runSync(event, invocation, syncParts(given)),
  );
  const ipCheck = functionOf(runIpCheck);
  functions.sync = sync;
  functions['producer-notify'] = functionOf(runProducerNotify);
  return { sync, ipCheck, lines, settled: () => Promise.all(background) };
}

function contextOf(): Context {
  const endsMs = performance.now() + 50_000;
  return {
    awsRequestId: randomUUID(),
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'f',
    functionVersion: '1',
    invokedFunctionArn: 'arn',
    memoryLimitInMB: '256',
    getRemainingTimeInMillis: () => endsMs - performance.now(),
    logGroupName: 'group',
    logStreamName: 'stream',
    done: () => {},
    fail: () => {},
    succeed: () => {},
  };
}

describe('a host and Lambda functions at one Redis', { timeout: 60_000 }, () => {
  test('tell each producer each change once, the newest last', async (t) => {
    const redis = await startTestRedis(t);
    const sources = await Promise.all([startPeer(t), startPeer(t), startPeer(t)]);
    const producers = await Promise.all([startPeer(t), startPeer(t), startPeer(t)]);
    for (const [n, { address }] of producers.entries()) {
      await redis.command('HSET', '{p2p}:producers', uuidOf(n), address);
    }
    const config = configOf({
      REDIS_URL: redis.url,
      IP_SOURCES: sources.map(({ address }) => `http://${address}`).join(','),
    });
    const host = startJobs(t, config);
    const functions = startFunctions(t, config);
    const ips = ['203.0.113.1', '203.0.113.2', '203.0.113.3'];

    for (const [index, ip] of ips.entries()) {
      for (const source of sources) source.respond({ body: ip });
      await Promise.all([host.run('ip-check', SCHEDULED), functions.ipCheck(SCHEDULED)]);
      await Promise.all(producers.map(({ received }) => received(index + 1)));
    }
    await functions.settled();
    await host.end(8_000);

    for (const { requests } of producers) {
      assert.deepEqual(
        requests.map(({ body }) => JSON.parse(body)),
        ips.map((ip) => ({ uuid: LOCAL_UUID, ip })),
      );
    }
    assert.equal(await redis.command('XLEN', '{p2p}:ip:history'), ips.length, 'each committed once');
    assert.equal(await redis.command('HGET', '{p2p}:ip', 'told'), '3');
    assert.equal(await redis.command('ZCARD', '{p2p}:deliveries:due'), 0);
  });

  test('never run two rounds at a time', async (t) => {
    const redis = await startTestRedis(t);
    const answer = Promise.withResolvers<void>();
    const consumer = await startPeer(t, async () => {
      await answer.promise;
      return {};
    });
    await redis.command('HSET', '{p2p}:consumers', uuidOf(1), consumer.address);
    const config = configOf({ REDIS_URL: redis.url });
    const host = startJobs(t, config);
    const functions = startFunctions(t, config);

    const round = host.run('sync', SCHEDULED);
    await consumer.received(1);
    const other = await functions.sync(SCHEDULED);
    answer.resolve();
    await round;

    assert.equal(typeof other === 'object' && other && 'stopped' in other && other.stopped, 'held');
    assert.match(host.lines.join(''), /The round has ended .* alive=1 /);
    assert.equal(consumer.requests.length, 1);
  });
});
