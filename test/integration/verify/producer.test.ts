import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NOTIFY_DEADLINE_MS, PRODUCER_RULES } from '../../../cli/verify/producer.ts';
import { checkRules, type Finding } from '../../../cli/verify/rule.ts';
import { createSubject } from '../../../cli/verify/subject.ts';
import { openBook } from '../../../kit/producer/book.ts';
import { startProducer } from '../../../kit/producer/producer.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createKeyPair, createSigner, parseSigningKey } from '../../../lib/peers/signing.ts';
import { newUuid } from '../kit/harness.ts';
import { answering, type Fault, type Incoming, type Outgoing, startFront } from './front.ts';

/** The rule that makes calls to look back at. */
const FIRST = 'refuses what is no such call, and goes on';
const { secretKey, publicKey } = createKeyPair();
const key = parseSigningKey(secretKey);
const sign = createSigner(key === undefined ? [] : [key]) ?? assert.fail();
const signer = newUuid();

async function findings(
  t: TestContext,
  {
    fault = {},
    meant,
    keys = new Map([[signer, [publicKey]]]),
  }: { fault?: Fault; meant: string; keys?: Map<typeof signer, string[]> },
): Promise<readonly Finding[]> {
  const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.0/8')] });
  const own = policy.parse('8.8.8.8:8080');
  assert.ok('address' in own);
  const { port, stop } = await startProducer({
    book: openBook(),
    policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
    listen: { port: 0 },
    keys,
    addresses: ['8.8.8.8:8080'],
  });
  t.after(stop);
  const front = policy.parse(`127.0.0.1:${await startFront(t, port, fault)}`);
  assert.ok('address' in front);
  const subject = createSubject({
    address: front.address,
    database: undefined,
    peerPort: 80,
    // The producer knows itself by another address than the front's.
    signer: {
      uuid: signer,
      sign: ({ address, ...request }, wallMs) =>
        sign({ ...request, address: address.key === front.address.key ? own.address : address }, wallMs),
    },
    deadlineMs: NOTIFY_DEADLINE_MS,
    patienceMs: 4_000,
  });
  return checkRules(
    PRODUCER_RULES.filter(({ rule }) => rule === meant || meant === 'all' || rule === FIRST),
    subject,
  );
}

const breaking = (found: readonly Finding[]) =>
  found.filter(({ result }) => result === 'wrong').map(({ rule, found: what }) => `${rule}: ${what}`);

/** A producer of few rules: what `keep` makes of a call is what it holds then, and answers. */
function naive(keep: (held: Held | undefined, told: Held, incoming: Incoming) => Held | Outgoing): Fault {
  const book = new Map<string, Held>();
  return {
    onRequest: async (incoming) => {
      const { uuid, ip } = incoming.fields;
      if (incoming.path !== '/ip' || typeof uuid !== 'string' || typeof ip !== 'string') return undefined;
      if (uuid === signer || !/^[0-9a-f-]{36}$/i.test(uuid) || !/^[\d.]+$|^[\da-f:]+$/.test(ip))
        return undefined;
      if (incoming.method !== 'POST' || incoming.body.length > 4_000 || /^(10|169)\./.test(ip))
        return undefined;
      const next = keep(book.get(uuid), { ip, epoch: Number(incoming.headers['x-ip-epoch'] ?? 0) }, incoming);
      if ('status' in next) return next;
      book.set(uuid, next);
      return { status: 200, fields: { ip: next.ip, epoch: next.epoch } };
    },
  };
}

interface Held {
  readonly ip: string;
  readonly epoch: number;
}

const highest = (held: Held | undefined, told: Held) =>
  held !== undefined && told.epoch !== 0 && told.epoch < held.epoch
    ? held
    : { ip: told.ip, epoch: Math.max(told.epoch, held?.epoch ?? 0) };

/** A fault, and the rule that must be found broken. */
const FAULTS: readonly [what: string, rule: string, fault: () => Fault][] = [
  [
    'refuses everything',
    'answers 2xx to a change, and keeps it',
    () => answering(({ path }) => path === '/ip', 500),
  ],
  [
    'keeps nothing',
    'answers 2xx to a change, and keeps it',
    () => naive(() => ({ status: 200, fields: { ip: '9.9.9.9' } })),
  ],
  [
    'takes no IPv6',
    'takes IPv6 as it is',
    () => answering(({ fields }) => String(fields.ip).includes('4700'), 400),
  ],
  [
    'changes IPv6',
    'takes IPv6 as it is',
    () => ({
      onReply: async (reply) =>
        String(reply.fields.ip).includes(':')
          ? { ...reply, fields: { ip: `[${reply.fields.ip}]` } }
          : undefined,
    }),
  ],
  [
    'takes an address with a port',
    'refuses what is no public address',
    () => answering(({ fields }) => String(fields.ip).endsWith('8:80'), 200),
  ],
  [
    'takes a private address',
    'refuses what is no public address',
    () => answering(({ fields }) => fields.ip === '10.0.0.1', 200),
  ],
  ['believes a lower epoch', 'ignores a lower epoch, and answers 2xx', () => naive((_, told) => told)],
  [
    'answers an error to a lower epoch',
    'ignores a lower epoch, and answers 2xx',
    () =>
      naive((held, told) =>
        held !== undefined && told.epoch !== 0 && told.epoch < held.epoch
          ? { status: 409, fields: {} }
          : highest(held, told),
      ),
  ],
  [
    'ignores an equal epoch',
    'ignores a lower epoch, and answers 2xx',
    () =>
      naive((held, told) => (held !== undefined && told.epoch === held.epoch ? held : highest(held, told))),
  ],
  [
    'needs an epoch',
    'ignores a lower epoch, and answers 2xx',
    () => answering(({ headers, path }) => path === '/ip' && headers['x-ip-epoch'] === undefined, 400),
  ],
  ['tells capitals apart', 'knows a uuid in any case', () => naive(highest)],
  ['believes any epoch', 'believes no unsigned epoch from far ahead', () => naive(highest)],
  [
    'believes no epoch that is old',
    'believes a late delivery',
    () =>
      naive((held, told) =>
        told.epoch !== 0 && Math.abs(Date.now() - told.epoch) > 300_000
          ? (held ?? { ip: 'none', epoch: 0 })
          : highest(held, told),
      ),
  ],
  [
    'fails on no JSON',
    'refuses what is no such call, and goes on',
    () => answering(({ body }) => body === 'no JSON', 500),
  ],
  ['reads everything', 'reads no large body', () => answering(({ body }) => body.length > 100_000, 200)],
  ['keeps without limit', 'bounds what strangers can make it keep', () => naive(highest)],
  [
    'answers late',
    'answers in time',
    () => ({
      onRequest: async ({ body }) => {
        if (body === '[]') await delay(NOTIFY_DEADLINE_MS + 500);
        return undefined;
      },
    }),
  ],
  [
    'redirects',
    'keeps its answers small, plain and in place',
    () => answering(({ body }) => body === '[]', 307),
  ],
  ['waits for ever', 'gives a request little time to arrive', () => ({ patient: 'for ever' })],
  ['allows any number of connections', 'limits the connections of one address', () => ({ crowded: true })],
  [
    'takes multicast for public',
    'refuses what is no public address',
    () => answering(({ fields }) => fields.ip === '224.0.0.1', 200),
  ],
  [
    'refuses an epoch that is no number',
    'ignores a lower epoch, and answers 2xx',
    () => answering(({ headers }) => headers['x-ip-epoch'] === 'soon', 400),
  ],
  [
    'believes the first epoch, whatever it is',
    'believes no unsigned epoch from far ahead',
    () =>
      naive((held, told) =>
        held === undefined || told.epoch <= Date.now() + 300_000
          ? highest(held, told)
          : { ip: told.ip, epoch: held.epoch },
      ),
  ],
  [
    'believes no epoch that is ahead at all',
    'believes no unsigned epoch from far ahead',
    () =>
      naive((held, told) =>
        told.epoch > Date.now() + 1_000 ? { ip: told.ip, epoch: held?.epoch ?? 0 } : highest(held, told),
      ),
  ],
  [
    'fails under a flood',
    'bounds what strangers can make it keep',
    () => {
      let calls = 0;
      return answering(() => ++calls > 5, 500);
    },
  ],
  [
    'finds a key only by lower case',
    'believes what is signed, and nothing else where it knows the key',
    () => answering(({ fields, path }) => path === '/ip' && fields.uuid === signer.toUpperCase(), 200),
  ],
];

describe('verify producer', { concurrency: 6 }, () => {
  test('the reference producer keeps every rule', async (t) => {
    const found = await findings(t, { meant: 'all' });
    assert.deepEqual(
      found.filter(({ result }) => result !== 'holds'),
      [],
    );
  });

  for (const [what, rule, fault] of FAULTS) {
    test(`a producer that ${what} breaks "${rule}"`, async (t) => {
      const found = await findings(t, { fault: fault(), meant: rule });
      assert.ok(
        found.some((finding) => finding.rule === rule && finding.result === 'wrong'),
        `found instead: ${breaking(found).join('\n')}`,
      );
    });
  }

  test('one that knows no keys believes forgeries', async (t) => {
    const found = await findings(t, {
      keys: new Map(),
      meant: 'believes what is signed, and nothing else where it knows the key',
    });
    assert.match(
      breaking(found).join(),
      /believes what is signed.*no signature: answered 200 instead of 401/,
    );
  });
});
