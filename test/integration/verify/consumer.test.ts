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
import { type Fault, type Incoming, startFront } from './front.ts';

type ApiOptions = Partial<Parameters<typeof startConsumerApi>[0]>;
type Change = Parameters<typeof startApi>[3];
type Api = Awaited<ReturnType<typeof startApi>>;

/** Rules that wait, make many calls, or have Redis serve nobody: only checked where they are meant. */
const SLOW = [
  'gives a request little time to arrive',
  'answers while Redis is down',
  'does not believe a move of one that still answers',
  'does not believe a move of one that does not answer as itself',
  'answers before it calls back',
  'replaces only the entry that it read',
  'limits the connections of one address',
  'bounds what strangers can make it record',
];
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
      meant?: string;
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
      ({ rule }) => rule === meant || meant === 'all' || !SLOW.includes(rule),
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

  const replyWith = (more: (incoming: Incoming) => object): Fault => ({
    onReply: async (reply, incoming) => ({ ...reply, fields: { ...reply.fields, ...more(incoming) } }),
  });
  const answering = (is: (incoming: Incoming) => boolean, status: number): Fault => ({
    onRequest: async (incoming) => (is(incoming) ? { status, fields: {} } : undefined),
  });
  /** Writes what the API does not write. */
  const writing =
    (write: (incoming: Incoming, api: Api) => readonly [string, string] | undefined) =>
    (api: Api): Fault => ({
      onReply: async (_, incoming) => {
        const entry = write(incoming, api);
        if (entry !== undefined) await command('HSET', api.key('consumers'), ...entry);
        return undefined;
      },
    });
  /** Calls the consumer back that the entry names. */
  const callKnown = async (api: Api, incoming: Incoming) => {
    const known = await command('HGET', api.key('consumers'), uuidIn(incoming) ?? '-');
    if (typeof known !== 'string' || known === incoming.from) return;
    await fetch(`http://${known}:${api.peerPort}/sync`, { method: 'POST', body: '{}' }).catch(
      () => undefined,
    );
  };
  const uuidIn = ({ fields }: Incoming) => (typeof fields.uuid === 'string' ? fields.uuid : undefined);
  const isCapital = (incoming: Incoming) => /[A-F]/.test(uuidIn(incoming) ?? '');
  const someone = { uuid: newUuid(), ip: '198.51.100.5' };

  /** A fault, and the rule that must be found broken. */
  const FAULTS: readonly [what: string, rule: string, plant: (api: Api) => Fault][] = [
    ['refuses {}', 'accepts an empty object', () => answering(({ body }) => body === '{}', 400)],
    ['refuses capitals', 'accepts a call, whatever the case of the uuid', () => answering(isCapital, 400)],
    [
      'echoes the uuid',
      'names its own uuid',
      () => replyWith((incoming) => ({ uuid: uuidIn(incoming) ?? newUuid() })),
    ],
    ['names a new uuid each time', 'names its own uuid', () => replyWith(() => ({ uuid: newUuid() }))],
    [
      'names another than the database',
      'names its own uuid',
      () => replyWith(() => ({ uuid: someone.uuid })),
    ],
    [
      'records itself',
      'ignores its own uuid',
      writing((incoming, api) => (uuidIn(incoming) === api.uuid ? [api.uuid, incoming.from] : undefined)),
    ],
    [
      'tells the port',
      'says where a call came from',
      () => replyWith(({ from, fromPort }) => ({ you: { ip: `${from}:${fromPort}` } })),
    ],
    [
      'tells the mapped form',
      'says where a call came from',
      () => replyWith(({ from }) => ({ you: { ip: `::ffff:${from}` } })),
    ],
    [
      'tells what a header says',
      'says where a call came from',
      () => replyWith(({ headers, from }) => ({ you: { ip: headers['x-forwarded-for'] ?? from } })),
    ],
    [
      'fails on no JSON',
      'refuses what is no such call, and goes on',
      () => answering(({ body }) => body === 'no JSON', 500),
    ],
    [
      'takes GET',
      'refuses what is no such call, and goes on',
      () => answering(({ method }) => method === 'GET', 200),
    ],
    ['reads everything', 'reads no large body', () => answering(({ body }) => body.length > 100_000, 200)],
    [
      'records the port',
      'records the IP alone',
      writing((incoming) => [uuidIn(incoming) ?? newUuid(), `${incoming.from}:${incoming.fromPort}`]),
    ],
    [
      'records the mapped form',
      'records the IP alone',
      writing((incoming) => [uuidIn(incoming) ?? newUuid(), `::ffff:${incoming.from}`]),
    ],
    [
      'believes X-Forwarded-For',
      'believes X-Forwarded-For from its own proxy alone',
      writing((incoming) => [
        uuidIn(incoming) ?? newUuid(),
        String(incoming.headers['x-forwarded-for'] ?? incoming.from),
      ]),
    ],
    [
      'records capitals',
      'writes uuids in lower case',
      writing((incoming) => (isCapital(incoming) ? [uuidIn(incoming) ?? '', incoming.from] : undefined)),
    ],
    [
      'records somebody for {}',
      'records nobody for an empty object',
      writing((incoming) => (incoming.body === '{}' ? [newUuid(), incoming.from] : undefined)),
    ],
    [
      'writes at every call',
      'leaves an entry with the same IP as it is',
      writing((incoming) => [uuidIn(incoming) ?? newUuid(), incoming.from]),
    ],
    [
      'believes every move',
      'does not believe a move of one that still answers',
      writing((incoming) => [uuidIn(incoming) ?? newUuid(), incoming.from]),
    ],
    [
      'believes every move at once',
      'does not believe a move of one that does not answer as itself',
      writing((incoming) => [uuidIn(incoming) ?? newUuid(), incoming.from]),
    ],
    [
      'drops ports',
      'names whom the scheduler suggests',
      () => ({
        onReply: async (reply) => ({
          ...reply,
          fields: {
            ...reply.fields,
            consumers: namedIn(reply).map(({ uuid, ip }) => ({ uuid, ip: ip.split(':')[0] })),
          },
        }),
      }),
    ],
    [
      'introduces the caller',
      'names whom the scheduler suggests',
      () =>
        replyWith((incoming) => ({
          consumers: [someone, { uuid: uuidIn(incoming) ?? newUuid(), ip: incoming.from }],
        })),
    ],
    [
      'introduces too many',
      'names consumers as it should',
      () =>
        replyWith(() => ({ consumers: Array.from({ length: 51 }, () => ({ ...someone, uuid: newUuid() })) })),
    ],
    [
      'introduces one twice',
      'names consumers as it should',
      () => replyWith(() => ({ consumers: [someone, someone] })),
    ],
    [
      'introduces the port of a call',
      'names consumers as it should',
      () =>
        replyWith(({ from, fromPort }) => ({ consumers: [{ uuid: newUuid(), ip: `${from}:${fromPort}` }] })),
    ],
    [
      'introduces no address',
      'names consumers as it should',
      () => replyWith(() => ({ consumers: [{ uuid: newUuid(), ip: 'example.org' }] })),
    ],
    [
      'introduces the mapped form',
      'names consumers as it should',
      () => replyWith(() => ({ consumers: [{ uuid: newUuid(), ip: '::ffff:198.51.100.7' }] })),
    ],
    [
      'says that everybody answers',
      'says whether the caller answers',
      () => replyWith(({ from }) => ({ you: { ip: from, answers: true } })),
    ],
    [
      'has every caller probed',
      'tells the scheduler who called',
      (api) => ({
        onReply: async (_, incoming) => {
          await command('SADD', api.key('consumers:called'), uuidIn(incoming) ?? '-');
          return undefined;
        },
      }),
    ],
    [
      'records without limit',
      'bounds what strangers can make it record',
      writing((incoming) => [uuidIn(incoming)?.toLowerCase() ?? newUuid(), incoming.from]),
    ],
    [
      'fails under a flood',
      'bounds what strangers can make it record',
      () => {
        let calls = 0;
        return answering(() => ++calls > 70, 500);
      },
    ],
    [
      'answers late',
      'answers in time',
      () => ({
        onRequest: async ({ body }) => {
          if (body === '[]') await delay(SYNC_DEADLINE_MS + 500);
          return undefined;
        },
      }),
    ],
    [
      'redirects',
      'keeps its answers small, plain and in place',
      () => answering(({ body }) => body === '[]', 302),
    ],
    [
      'answers more than is read',
      'keeps its answers small, plain and in place',
      () => replyWith(({ body }) => (body === '{}' ? { filler: 'x'.repeat(70_000) } : {})),
    ],
    [
      'compresses',
      'keeps its answers small, plain and in place',
      () => ({ onReply: async (reply) => ({ ...reply, headers: { 'content-encoding': 'gzip' } }) }),
    ],
    ['waits for ever', 'gives a request little time to arrive', () => ({ patient: 'for ever' })],
    [
      'waits as long as bytes come',
      'gives a request little time to arrive',
      () => ({ patient: 'from byte to byte' }),
    ],
    ['allows any number of connections', 'limits the connections of one address', () => ({ crowded: true })],
    [
      'reads all headers',
      'reads no large headers',
      () => answering(({ headers }) => headers['x-filler'] !== undefined, 200),
    ],
    [
      'reads bodies of 32 KiB',
      'reads no large body',
      () => answering(({ body }) => body.length > 10_000 && body.length < 100_000, 200),
    ],
    [
      'fails on nested JSON',
      'refuses what is no such call, and goes on',
      () => answering(({ body }) => body.startsWith('[[['), 500),
    ],
    [
      'finds a key only by lower case',
      'believes what is signed, and nothing else where it knows the key',
      writing((incoming) =>
        isCapital(incoming) && uuidIn(incoming)?.toLowerCase() === signer.uuid
          ? [signer.uuid, incoming.from]
          : undefined,
      ),
    ],
    [
      'drops the port of who moved',
      'follows it at the port that the entry names',
      writing((incoming) => [uuidIn(incoming) ?? newUuid(), incoming.from]),
    ],
    [
      'calls back at every call',
      'does not believe a move of one that still answers',
      (api) => ({
        onReply: async (_, incoming) => {
          await callKnown(api, incoming);
          return undefined;
        },
      }),
    ],
    [
      'calls back first',
      'answers before it calls back',
      (api) => ({
        onRequest: async (incoming) => {
          await callKnown(api, incoming);
          return undefined;
        },
      }),
    ],
    [
      'counts a call from anywhere as life',
      'tells the scheduler who called',
      (api) => ({
        onReply: async (_, incoming) => {
          const uuid = uuidIn(incoming) ?? '-';
          const health = await command('HGET', api.key('consumers:health'), uuid);
          if (String(health).includes('dead')) await command('SADD', api.key('consumers:called'), uuid);
          return undefined;
        },
      }),
    ],
  ];

  for (const [what, rule, fault] of FAULTS) {
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
    const found = await findings(t, { change });
    assert.match(
      breaking(found).join(),
      /distrusts a scheduler that does not run: the newest round is years old/,
    );
  });

  test('one that bounds each address and not all of them', async (t) => {
    const fault = writing((incoming) =>
      /\.\d\d$/.test(incoming.from) ? [uuidIn(incoming) ?? newUuid(), incoming.from] : undefined,
    );
    const found = await findings(t, { fault, meant: 'bounds what strangers can make it record' });
    assert.match(breaking(found).join(), /it recorded \d+ new uuids that 25 addresses sent/);
  });

  test('one that knows no keys believes forgeries', async (t) => {
    const found = await findings(t, { options: { keys: new Map() } });
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

function namedIn({ fields }: { fields: Readonly<Record<string, unknown>> }): { uuid: string; ip: string }[] {
  return Array.isArray(fields.consumers) ? fields.consumers : [];
}

/** The same address with the port that the peer behind the front believes to have; another port stays. */
function addressed<Address extends { readonly port: number; readonly key: string }>(
  address: Address,
  frontPort: number,
  ownPort: number,
): Address {
  if (address.port !== frontPort) return address;
  return { ...address, port: ownPort, key: address.key.replace(/:\d+$/, `:${ownPort}`) };
}
