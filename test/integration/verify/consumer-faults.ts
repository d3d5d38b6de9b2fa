import { setTimeout as delay } from 'node:timers/promises';
import { SYNC_DEADLINE_MS } from '../../../cli/verify/consumer.ts';
import type { Uuid } from '../../../lib/peers/uuid.ts';
import { newUuid, type startApi } from '../kit/harness.ts';
import { answering, type Fault, type Incoming } from './front.ts';

type Api = Awaited<ReturnType<typeof startApi>>;

const replyWith = (more: (incoming: Incoming) => object): Fault => ({
  onReply: async (reply, incoming) => ({ ...reply, fields: { ...reply.fields, ...more(incoming) } }),
});
/** Writes what the API does not write. */
const writing =
  (write: (incoming: Incoming, api: Api) => readonly [string, string] | undefined) =>
  (api: Api): Fault => ({
    onReply: async (_, incoming) => {
      const entry = write(incoming, api);
      if (entry !== undefined) await api.command('HSET', api.key('consumers'), ...entry);
      return undefined;
    },
  });
/** Calls the consumer back that the entry names. */
const callKnown = async (api: Api, incoming: Incoming) => {
  const known = await api.command('HGET', api.key('consumers'), uuidIn(incoming) ?? '-');
  if (typeof known !== 'string' || known === incoming.from) return;
  await fetch(`http://${known}:${api.peerPort}/sync`, { method: 'POST', body: '{}' }).catch(() => undefined);
};
const uuidIn = ({ fields }: Incoming) => (typeof fields.uuid === 'string' ? fields.uuid : undefined);
const isCapital = (incoming: Incoming) => /[A-F]/.test(uuidIn(incoming) ?? '');
const someone = { uuid: newUuid(), ip: '198.51.100.5' };

/** A fault, and the rule that must be found broken. `signer` is a consumer whose public key the API knows. */
export const consumerFaults = (
  signer: Uuid,
): readonly [what: string, rule: string, plant: (api: Api) => Fault][] => [
  ['refuses {}', 'accepts an empty object', () => answering(({ body }) => body === '{}', 400)],
  ['refuses capitals', 'accepts a call, whatever the case of the uuid', () => answering(isCapital, 400)],
  [
    'echoes the uuid',
    'names its own uuid',
    () => replyWith((incoming) => ({ uuid: uuidIn(incoming) ?? newUuid() })),
  ],
  ['names a new uuid each time', 'names its own uuid', () => replyWith(() => ({ uuid: newUuid() }))],
  ['names another than the database', 'names its own uuid', () => replyWith(() => ({ uuid: someone.uuid }))],
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
        await api.command('SADD', api.key('consumers:called'), uuidIn(incoming) ?? '-');
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
      return answering(() => ++calls > 40, 500);
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
      isCapital(incoming) && uuidIn(incoming)?.toLowerCase() === signer ? [signer, incoming.from] : undefined,
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
        const health = await api.command('HGET', api.key('consumers:health'), uuid);
        if (String(health).includes('dead')) await api.command('SADD', api.key('consumers:called'), uuid);
        return undefined;
      },
    }),
  ],
  [
    'bounds each address and not all of them',
    'bounds what strangers can make it record',
    writing((incoming) =>
      /\.\d\d$/.test(incoming.from) ? [uuidIn(incoming) ?? newUuid(), incoming.from] : undefined,
    ),
  ],
];

function namedIn({ fields }: { fields: Readonly<Record<string, unknown>> }): { uuid: string; ip: string }[] {
  return Array.isArray(fields.consumers) ? fields.consumers : [];
}
