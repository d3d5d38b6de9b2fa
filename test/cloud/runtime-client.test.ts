import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Owner } from '../support/owner.ts';
import { startPeer } from '../support/peer-server.ts';
import { needsRealRedis, startRedisServer } from '../support/redis.ts';
import { packageService } from '../support/service.ts';
import { type Container, needsRuntimeClient, type Reply, startContainer } from './runtime-api.ts';

/**
 * The packaged archives under AWS's own runtime interface client. How long a container is frozen: Lambda freezes one
 * between two runs, `ip-check`'s for up to a minute. `npm run test:ric` takes 70 s, everything else 2 s.
 */
const FREEZE_MS = Number(process.env.FREEZE_MS ?? 2_000);
const TIMEOUT = { timeout: 120_000 + 4 * FREEZE_MS };
const NAMES = ['sync', 'ip-check', 'producer-notify'];
const OWN_IP = '203.0.113.7';
const SCHEDULED = { source: 'schedule' };
/** Roughly what a container has without anything of ours is 60 MB; the least memory that we give is 256. */
const MOST_MEMORY_MB = 160;

const needs = { ...needsRealRedis(), ...needsRuntimeClient() };

describe("under AWS's runtime client", needs, async () => {
  if (needs.skip !== undefined) return;
  const service = await packageService({ after }, 'test');
  const redis = await startRedisServer();
  after(redis.stop);
  const lambda = await startPeer({ after }, { status: 202 });

  const start = (t: Owner, name: string, env: Record<string, string> = {}) =>
    startContainer(t, name, service.folder, {
      LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
      REDIS_URL: redis.url,
      REDIS_PREFIX: `{${name}}:`,
      IP_SOURCES: `static:${OWN_IP}`,
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      PEER_ALLOW_CIDRS: '127.0.0.1/32',
      SYNC_FUNCTION: 'p2p-test-sync',
      PRODUCER_NOTIFY_FUNCTION: 'p2p-test-producer-notify',
      POWERTOOLS_SERVICE_NAME: 'test',
      POWERTOOLS_METRICS_NAMESPACE: 'Test',
      AWS_ENDPOINT_URL_LAMBDA: `http://${lambda.address}`,
      ...env,
    });

  /** Stops the process, as Lambda freezes a container, and lets it go on. */
  async function freeze(
    { pid, waits }: Container,
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<void> {
    await waits();
    process.kill(pid, 'SIGSTOP');
    await Promise.all([delay(FREEZE_MS), meanwhile()]);
    process.kill(pid, 'SIGCONT');
  }

  function answerOf(reply: Reply, container: Container): Record<string, unknown> {
    assert.ok('answer' in reply, `${JSON.stringify(reply)}\n${container.output()}`);
    return reply.answer;
  }

  for (const name of NAMES) {
    test(
      `${name} runs, is frozen, runs again, and runs again after Redis was restarted meanwhile`,
      TIMEOUT,
      async (t) => {
        const container = await start(t, name);

        answerOf(await container.invoke(SCHEDULED_FOR[name]), container);
        await freeze(container);
        answerOf(await container.invoke(SCHEDULED_FOR[name]), container);
        await freeze(container, redis.restart);
        answerOf(await container.invoke(SCHEDULED_FOR[name]), container);

        const peakMb = await container.peakMemoryMb();
        t.diagnostic(`${name}: init ${Math.round(container.initMs)} ms, peak ${Math.round(peakMb)} MB`);
        assert.ok(peakMb < MOST_MEMORY_MB, `${peakMb} MB`);
        assert.doesNotMatch(container.output(), /"level":"(ERROR|CRITICAL)"/);
      },
    );
  }

  test(
    'a change is found, committed, and producer-notify is invoked by the SDK of the runtime',
    TIMEOUT,
    async (t) => {
      const container = await start(t, 'ip-check', { REDIS_PREFIX: '{change}:' });

      const { outcome, ip, notify } = answerOf(await container.invoke(SCHEDULED), container);

      assert.deepEqual([outcome, ip, notify], ['changed', OWN_IP, 'invoked']);
      assert.ok(
        lambda.requests.some(
          ({ path }) => path === '/2015-03-31/functions/p2p-test-producer-notify/invocations',
        ),
      );
    },
  );

  test('an event that matches no schema is refused, and the next one runs', TIMEOUT, async (t) => {
    const container = await start(t, 'producer-notify');

    const refused = answerOf(await container.invoke({ ip: 'not an address' }), container);
    assert.match(String(refused.refused), /is not an IP address/);
    assert.ok('outcome' in answerOf(await container.invoke({}), container));
  });

  test('a run that meets its deadline ends before it, and the next one runs', TIMEOUT, async (t) => {
    const silent = await startPeer(t, () => 'hang');
    const container = await start(t, 'ip-check', {
      REDIS_PREFIX: '{deadline}:',
      IP_SOURCES: `http://${silent.address}`,
    });
    const timeoutMs = 3_000;
    const beganMs = performance.now();

    await container.invoke(SCHEDULED, timeoutMs);
    assert.ok(performance.now() - beganMs < timeoutMs, 'Lambda would have killed it');

    silent.respond({ body: OWN_IP });
    assert.equal(answerOf(await container.invoke(SCHEDULED), container).outcome, 'changed');
  });
});

/** What each function is given in the tests above. */
const SCHEDULED_FOR: Readonly<Record<string, unknown>> = {
  sync: SCHEDULED,
  'ip-check': SCHEDULED,
  'producer-notify': {},
};
