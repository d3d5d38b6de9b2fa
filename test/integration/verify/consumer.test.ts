import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CONSUMER_RULES, SYNC_DEADLINE_MS } from '../../../cli/verify/consumer.ts';
import { openDatabase } from '../../../cli/verify/database.ts';
import { checkRules, type Finding } from '../../../cli/verify/rule.ts';
import { createSubject } from '../../../cli/verify/subject.ts';
import type { startConsumerApi } from '../../../kit/consumer-api/consumer-api.ts';
import { createMemory } from '../../../kit/memory.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createKeyPair, createSigner, parseSigningKey } from '../../../lib/peers/signing.ts';
import { freePorts } from '../../support/ports.ts';
import { needsRealRedis, redisForSuite, startTestRedis, type TestRedis } from '../../support/redis.ts';
import { newUuid, startApi } from '../kit/harness.ts';
import { consumerFaults } from './consumer-faults.ts';
import { type Fault, startFront } from './front.ts';

type ApiOptions = Partial<Parameters<typeof startConsumerApi>[0]>;
type Change = Parameters<typeof startApi>[3];
type Api = Awaited<ReturnType<typeof startApi>>;

/** What other rules go on from: the uuid that the peer named, and calls to look back at. */
const FIRST = ['names its own uuid', 'refuses what is no such call, and goes on'];
const { secretKey, publicKey } = createKeyPair();
const key = parseSigningKey(secretKey);
const sign = createSigner(key === undefined ? [] : [key]) ?? assert.fail();
const signer = { uuid: newUuid(), sign };

describe('verify consumer', { ...needsRealRedis(), concurrency: 6 }, () => {
  const testRedis = redisForSuite({ engine: 'real' });
  const command = (...args: Parameters<ReturnType<typeof testRedis>['command']>) =>
    testRedis().command(...args);

  /** Checks the reference API with a fault of one rule. */
  async function findings(
    t: TestContext,
    {
      fault = () => ({}),
      options = {},
      change,
      meant,
      redis: on = testRedis(),
    }: {
      fault?: (api: Api) => Fault;
      options?: ApiOptions;
      change?: Change;
      meant: string;
      redis?: TestRedis;
    },
  ): Promise<readonly Finding[]> {
    const ports = await freePorts();
    const own = {
      keys: new Map([[signer.uuid, [publicKey]]]),
      addresses: [`127.0.0.1:${ports.rest}`],
      ...options,
    };
    const api = await startApi(t, on, own, change);
    await on.command('SET', api.key('uuid'), api.uuid);
    const port = await startFront(t, api.port, fault(api));
    const parsed = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.0/8')] }).parse(
      `127.0.0.1:${port}`,
    );
    assert.ok('address' in parsed);
    const subject = createSubject({
      address: parsed.address,
      database: await openDatabase(on.redis, api.prefix),
      peerPort: api.peerPort,
      // The API knows itself by another port than the front's.
      signer: {
        uuid: signer.uuid,
        sign: (request, wallMs) =>
          sign({ ...request, address: addressed(request.address, port, ports.rest) }, wallMs),
      },
      deadlineMs: SYNC_DEADLINE_MS,
      patienceMs: 4_000,
    });
    const rules = CONSUMER_RULES.filter(
      ({ rule }) => rule === meant || meant === 'all' || FIRST.includes(rule),
    );
    const found = await checkRules(rules, subject);
    await subject.database?.restore();
    assert.deepEqual(await api.entries(), [], 'nothing that was written for the check stays');
    return found;
  }

  const breaking = (found: readonly Finding[]) =>
    found.filter(({ result }) => result === 'wrong').map(({ rule, found: what }) => `${rule}: ${what}`);

  test('the reference API keeps every rule', async (t) => {
    const redis = await startTestRedis(t, { engine: 'real' });
    const found = await findings(t, { meant: 'all', redis });
    assert.deepEqual(
      found.filter(({ result }) => result !== 'holds'),
      [],
    );
  });

  for (const [what, rule, fault] of consumerFaults(signer.uuid)) {
    test(`a consumer API that ${what} breaks "${rule}"`, async (t) => {
      const found = await findings(t, { fault, meant: rule });
      assert.ok(
        found.some((finding) => finding.rule === rule && finding.result === 'wrong'),
        `found instead: ${breaking(found).join('\n')}`,
      );
    });
  }

  test('one that overwrites an entry that changed during the proof', async (t) => {
    const change: Change = (memory, prefix) => ({
      ...memory,
      replace: async (uuid, _, to) => {
        await command('HSET', `${prefix}consumers`, uuid, to);
        return true;
      },
    });
    const found = await findings(t, { change, meant: 'replaces only the entry that it read' });
    assert.match(breaking(found).join(), /an entry that changed during the proof was replaced/);
  });

  test('one that believes a scheduler that ended long ago', async (t) => {
    const change: Change = (_, prefix) => createMemory(testRedis().redis, prefix, Number.MAX_SAFE_INTEGER);
    const found = await findings(t, { change, meant: 'distrusts a scheduler that does not run' });
    assert.match(
      breaking(found).join(),
      /distrusts a scheduler that does not run: the newest round is years old/,
    );
  });

  test('one that knows no keys believes forgeries', async (t) => {
    const found = await findings(t, {
      options: { keys: new Map() },
      meant: 'believes what is signed, and nothing else where it knows the key',
    });
    assert.match(breaking(found).join(), /believes what is signed.*believed: no signature/);
  });

  test('one that waits for Redis without a limit does not answer while it is down', async (t) => {
    const redis = await startTestRedis(t, { engine: 'real' });
    const own = createMemory(redis.redis, '{own}:', 300_000);
    const memory = {
      ...own,
      look: async (...args: Parameters<typeof own.look>) => {
        const known = await own.look(...args).catch(() => undefined);
        if (known === undefined) await delay(SYNC_DEADLINE_MS + 500);
        return known ?? { consumers: 0, introduces: [] };
      },
    };
    const found = await findings(t, { options: { memory }, meant: 'answers while Redis is down', redis });
    assert.match(breaking(found).join(), /answers while Redis is down: .*no whole reply within 3 s/);
  });
});

/** The same address with the port that the peer behind the front believes to have; another port stays. */
function addressed<Address extends { readonly port: number; readonly key: string }>(
  address: Address,
  frontPort: number,
  ownPort: number,
): Address {
  if (address.port !== frontPort) return address;
  return { ...address, port: ownPort, key: address.key.replace(/:\d+$/, `:${ownPort}`) };
}
