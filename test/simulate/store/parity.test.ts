import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RedisReplyError } from '../../../lib/errors.ts';
import { acquireCall, releaseCall, renewCall } from '../../../lib/redis/lease.ts';
import type { Command, Redis, Reply, ScriptCall } from '../../../lib/redis/redis.ts';
import { createKeys, type Keys } from '../../../lib/store/keys.ts';
import { LEARN } from '../../../lib/sync/learn.lua.ts';
import { OPEN_ROUND } from '../../../lib/sync/open.lua.ts';
import { SETTLE_CANDIDATES } from '../../../lib/sync/settle.lua.ts';
import { WRITE_ROUND } from '../../../lib/sync/write.lua.ts';
import { needsRealRedis, startTestRedis, type TestRedis } from '../../support/redis.ts';
import { createSimulatedRedis } from './redis.ts';
import { createStore, type Store } from './store.ts';

const NOW = 1_764_000_000_000;
const LEASE_MS = 60_000;
const SEED = Number(process.env.SIMULATE_SEED ?? Date.now() % 1_000_000_000);

/** What a key holds at the start. */
type Content =
  | { readonly kind: 'none' }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'hash'; readonly fields: Readonly<Record<string, string>> };

type Start = Readonly<
  Record<'uuid' | 'lease' | 'consumers' | 'health' | 'candidates' | 'cursor' | 'rounds' | 'ip', Content>
>;
type Step = (keys: Keys) => ScriptCall | Command;

const uuids = Array.from({ length: 6 }, (_, n) => `abcdef00-0000-4000-8000-00000000000${n}`);
const uuid = fc.constantFrom(...uuids);
const spelled = fc.oneof(
  { weight: 4, arbitrary: uuid },
  { weight: 1, arbitrary: uuid.map((each) => each.toUpperCase()) },
);
const address = fc.constantFrom(
  '8.8.8.1',
  '8.8.8.1:80',
  '8.8.8.2:8080',
  '8.8.9.1',
  '2600:1f18:1::1',
  '[2600:1f18:1:2::3]:8080',
  '2600::1',
  '2600:0:0:1::1',
);
const token = fc.constantFrom('mine', 'mine', 'mine', 'another');
const rubbish = fc.constantFrom('', 'x', '[1', '[]', '["dead"]', '7', 'null', '"dead"', '{"state":');
const state = fc.constantFrom('alive', 'suspect', 'dead', 'dead', null, 7);

const health = fc.oneof(
  { weight: 5, arbitrary: fc.record({ state, address }).map((each) => JSON.stringify(each)) },
  { weight: 1, arbitrary: rubbish },
);
const candidate = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record(
        {
          address: fc.oneof(address, fc.constantFrom(null, 7)),
          from: fc.oneof(uuid, fc.constantFrom(null, 7)),
          at: fc.nat(9),
          failures: fc.constantFrom<unknown>(0, 0, 1, 2, '1', '0', ' ', '', 'x', null, true, {}),
        },
        { requiredKeys: ['address'] },
      )
      .map((each) => JSON.stringify(each)),
  },
  { weight: 1, arbitrary: rubbish },
);

const none = fc.constant<Content>({ kind: 'none' });
const text = (value: fc.Arbitrary<string>) => value.map((each): Content => ({ kind: 'string', text: each }));
const hash = (field: fc.Arbitrary<string>, value: fc.Arbitrary<string>, maxKeys = 6) =>
  fc
    .dictionary(field, value, { maxKeys, noNullPrototype: true })
    .map(
      (fields): Content => (Object.keys(fields).length === 0 ? { kind: 'none' } : { kind: 'hash', fields }),
    );
/** Now and then a key holds what nobody expects there. */
const orWrong = (usual: fc.Arbitrary<Content>, wrong: fc.Arbitrary<Content>) =>
  fc.oneof({ weight: 24, arbitrary: usual }, { weight: 1, arbitrary: wrong });
const wrongText = text(fc.constant('x'));
const wrongHash = hash(fc.constant('x'), fc.constant('x'), 1);

const entry = fc.tuple(uuid, address, address, uuid, candidate).map((each) => each.map(String));
const crowdUuid = (n: number) => `00000000-0000-4000-8000-0000000000${10 + n}`;
const inNet = (net: number, n: number, v6: boolean) => (v6 ? `2600:1:${net}:${n}::1` : `9.9.${net}.${n}`);
const heardOf = (who: string, at: string, v6: boolean, from: string) => [
  who,
  at,
  v6 ? `[${at}]:80` : `${at}:80`,
  from,
  JSON.stringify({ address: at, from, at: 1, failures: 0 }),
];
/** More of one teacher, or more in one network, than there may be. */
const many = fc
  .record({ teachers: fc.nat(3), nets: fc.nat(30), v6: fc.boolean() })
  .map(({ teachers, nets, v6 }) =>
    Array.from({ length: 60 }, (_, i) => {
      const from = uuids[i % (teachers + 1)] ?? '';
      return heardOf(crowdUuid(i), inNet(i % (nets + 1), i, v6), v6, from);
    }),
  );
/** Two networks that are full of candidates that failed, and what makes these change places. */
const crowd = fc.constantFrom(10, 9, 8).map(
  (inEach): Content => ({
    kind: 'hash',
    fields: Object.fromEntries(
      Array.from({ length: 2 * inEach }, (_, i) => {
        const failed = { address: inNet(i % 2, i, false), from: uuids[i % 2], at: 1, failures: 1 };
        return [crowdUuid(i), JSON.stringify(failed)];
      }),
    ),
  }),
);
const changes = fc.array(
  fc
    .tuple(fc.nat(24), fc.nat(1), fc.nat(99), fc.nat(1))
    .map(([n, net, last, from]) =>
      heardOf(crowdUuid(n), inNet(net, 100 + last, false), false, uuids[from] ?? ''),
    ),
  { minLength: 10, maxLength: 40 },
);
const start: fc.Arbitrary<Start> = fc.record({
  uuid: orWrong(text(fc.constantFrom(...uuids.slice(0, 2), uuids[0]?.toUpperCase() ?? '')), wrongHash),
  lease: orWrong(fc.oneof(none, text(token)), wrongHash),
  consumers: orWrong(hash(spelled, address), wrongText),
  health: orWrong(hash(spelled, health), wrongText),
  candidates: orWrong(
    fc.oneof({ weight: 3, arbitrary: hash(uuid, candidate) }, { weight: 1, arbitrary: crowd }),
    wrongText,
  ),
  cursor: orWrong(
    hash(fc.constantFrom('0/1', '0/2', 'probed', 'health'), fc.constantFrom('rubbish', '7@1')),
    wrongText,
  ),
  rounds: orWrong(none, wrongText),
  ip: orWrong(hash(fc.constantFrom('current', 'previous', 'epoch'), address), wrongText),
});

/** What a round settles: mostly candidates as they are stored, and consumers and health as they are. */
function fatesOf({ candidates, consumers, health: records }: Start) {
  const entries = (content: Content) => (content.kind === 'hash' ? Object.entries(content.fields) : []);
  const held = fc.oneof(
    fc.constantFrom<[string, string]>(...entries(candidates), [uuids[0] ?? '', '{}']),
    fc.tuple(uuid, candidate),
  );
  const known = fc.constantFrom<[string, string]>(...entries(consumers), [uuids[0] ?? '', '8.8.8.1']);
  const healthOf = new Map(entries(records));
  const fate = fc
    .tuple(
      fc.constantFrom('promote', 'move', 'move', 'keep', 'drop'),
      held,
      known,
      address,
      health,
      fc.nat(9),
    )
    .map(([act, [who, json], [field, raw], at, record, odd]) => [
      act,
      who,
      json,
      at,
      record,
      field,
      odd === 0 ? 'changed' : raw,
      odd === 1 ? 'changed' : (healthOf.get(field) ?? ''),
    ]);
  return fc.array(fate, { maxLength: 8 });
}

function stepAfter(from: Start): fc.Arbitrary<Step> {
  const script = (call: (keys: Keys) => ScriptCall): Step => call;
  return fc.oneof(
    token.map((by) => script(({ lease }) => acquireCall(lease('sync:0'), by, LEASE_MS))),
    token.map((by) => script(({ lease }) => renewCall(lease('sync:0'), by, LEASE_MS))),
    token.map((by) => script(({ lease }) => releaseCall(lease('sync:0'), by))),
    fc.tuple(uuid, token, fc.constantFrom('0', '1')).map(([ours, by, withCandidates]) =>
      script((keys) => ({
        script: OPEN_ROUND,
        keys: [
          keys.uuid,
          keys.lease('sync:0'),
          keys.consumers,
          keys.health,
          keys.cursor,
          keys.ip,
          keys.candidates,
        ],
        args: [ours, by, LEASE_MS, withCandidates, 'probed', '0/1', '0/2'],
      })),
    ),
    fc
      .tuple(
        token,
        fc.constantFrom('', '0', '7@1'),
        fc.constantFrom('renew', 'end', 'end-and-clean'),
        fc.array(fc.tuple(spelled, health), { maxLength: 4 }),
      )
      .map(([by, position, act, records]) =>
        script((keys) => ({
          script: WRITE_ROUND,
          keys: [keys.lease('sync:0'), keys.health, keys.cursor, keys.consumers, keys.rounds],
          args: [
            by,
            LEASE_MS,
            '0/1',
            position,
            NOW,
            act,
            2 * records.length,
            ...records.flat(),
            ...(act === 'renew' ? [] : ['round', 'r', 'of', '1']),
          ],
        })),
      ),
    fc
      .oneof(
        { weight: 3, arbitrary: fc.array(entry, { minLength: 1, maxLength: 12 }) },
        { weight: 1, arbitrary: many },
        { weight: 2, arbitrary: changes },
      )
      .map((entries) =>
        script((keys) => ({
          script: LEARN,
          keys: [keys.consumers, keys.health, keys.candidates],
          args: entries.flat(),
        })),
      ),
    fc.tuple(token, fatesOf(from)).map(([by, all]) =>
      script((keys) => ({
        script: SETTLE_CANDIDATES,
        keys: [keys.lease('sync:0'), keys.consumers, keys.health, keys.candidates],
        args: [by, ...all.flat()],
      })),
    ),
    fc.array(spelled, { minLength: 1, maxLength: 4 }).map(
      (fields): Step =>
        ({ health: key }) => ['HMGET', key, ...fields],
    ),
    fc.constantFrom<Step>(
      ({ uuid: key }) => ['GET', key],
      ({ uuid: key }) => ['SET', key, uuids[0] ?? '', 'NX'],
      ({ consumers }) => ['HSCAN', consumers, '0', 'COUNT', 1_000],
      ({ consumers }) => ['HSCAN', consumers, 'rubbish', 'COUNT', 1_000],
    ),
  );
}

const course = start.chain((from) =>
  fc.record({ from: fc.constant(from), steps: fc.array(stepAfter(from), { minLength: 1, maxLength: 10 }) }),
);

for (const engine of ['real', 'embedded'] as const) {
  test(
    `commands and scripts answer and leave behind what they do in Redis, ${engine}`,
    engine === 'real' ? needsRealRedis() : {},
    async (t) => {
      const redis = await startTestRedis(t, { engine });
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(course, async ({ from, steps }) => {
          const keys = createKeys(`{${runs++}}:`);
          const store = createStore(() => NOW);
          const simulated = createSimulatedRedis(store, () => NOW);
          await fill(from, keys, store, redis);
          for (const step of steps) {
            const request = step(keys);
            assert.deepEqual(await answerOf(simulated, request), await answerOf(redis.redis, request));
          }
          assert.deepEqual(contentsOf(store, keys), await realContents(redis, keys));
        }),
        { numRuns: engine === 'real' ? 400 : 60, seed: SEED },
      );
    },
  );
}

function namesOf(keys: Keys): readonly (readonly [keyof Start, string])[] {
  const { uuid: identity, consumers, health: records, candidates, cursor, rounds, ip } = keys;
  return Object.entries({
    uuid: identity,
    lease: keys.lease('sync:0'),
    consumers,
    health: records,
    candidates,
    cursor,
    rounds,
    ip,
  }) as [keyof Start, string][];
}

async function fill(from: Start, keys: Keys, store: Store, redis: TestRedis): Promise<void> {
  for (const [name, key] of namesOf(keys)) {
    const content = from[name];
    if (content.kind === 'string') {
      await redis.command('SET', key, content.text);
      store.set(key, content.text);
    } else if (content.kind === 'hash') {
      const flat = Object.entries(content.fields).flat();
      await redis.command('HSET', key, ...flat);
      store.setFields(key, flat);
    }
  }
}

/** A reply with the flat lists of hashes as objects, whose order does not matter, and of an error the code. */
async function answerOf(redis: Redis, request: ScriptCall | Command): Promise<unknown> {
  const [reply] = await redis.send([request], { repeatable: false });
  if (reply instanceof RedisReplyError) return { error: reply.code };
  const hashAt =
    'script' in request ? (request.script === OPEN_ROUND ? 4 : -1) : request[0] === 'HSCAN' ? 1 : -1;
  return Array.isArray(reply) ? reply.map((part: Reply, i) => (i === hashAt ? asObject(part) : part)) : reply;
}

function asObject(flat: Reply | undefined): Record<string, Reply | undefined> {
  const list = Array.isArray(flat) ? flat : [];
  return Object.fromEntries(list.flatMap((each, i) => (i % 2 ? [] : [[String(each), list[i + 1]]])));
}

function contentsOf(store: Store, keys: Keys): unknown {
  return namesOf(keys).map(([, key]) => {
    const kind = store.kindOf(key);
    if (kind === 'string') return { text: store.get(key), expires: Number.isFinite(store.ttlMs(key)) };
    if (kind === 'hash') return Object.fromEntries(store.fields(key));
    if (kind === 'stream') return store.entries(key);
    return kind;
  });
}

async function realContents({ command }: TestRedis, keys: Keys): Promise<unknown> {
  return Promise.all(
    namesOf(keys).map(async ([, key]) => {
      const kind = await command('TYPE', key);
      if (kind === 'string') {
        return { text: await command('GET', key), expires: Number(await command('PTTL', key)) > 0 };
      }
      if (kind === 'hash') return asObject(await command('HGETALL', key));
      if (kind === 'stream') {
        const entries = (await command('XRANGE', key, '-', '+')) as [string, string[]][];
        return entries.map(([, fields]) => fields);
      }
      return kind;
    }),
  );
}
