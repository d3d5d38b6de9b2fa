import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { type Host, systemHost } from '../../../lib/host.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import type { HealthRecord } from '../../../lib/store/health-record.ts';
import { NO_OUTCOMES } from '../../../lib/store/health-record.ts';
import { createKeys } from '../../../lib/store/keys.ts';
import { createRoundStore } from '../../../lib/store/open-round.ts';
import { MOST_WORST, NO_STATE, type PartState, pageAt } from '../../../lib/store/part-state.ts';
import type { Candidate, OpenedRound, PageWrite, RoundEnd, RoundStore } from '../../../lib/store/rounds.ts';
import { createDatabase } from '../../simulate/store/memory.ts';
import { redisForSuite } from '../../support/redis.ts';
import { REDIS_STACKS } from '../../support/redis-stacks.ts';
import { uuidOf } from '../../support/uuids.ts';

const LOCAL_UUID = parseUuid('00000000-0000-4000-8000-000000000001') as Uuid;
const PART = { shard: 0, of: 1 };
const host: Host = systemHost;

/** An empty place that stores can be opened on, and ways to put data there beside them. */
interface Place {
  open(): RoundStore;
  /** The consumer API writes entries, or removes them with an empty address. */
  setConsumers(consumers: Readonly<Record<string, string>>): Promise<void>;
  consumers(): Promise<Readonly<Record<string, string>>>;
  reply(): Promise<unknown>;
  summaries(): Promise<number>;
  call(uuid: Uuid): Promise<void>;
  setOwnIp(ip: string): Promise<void>;
}

function memoryPlace(): Place {
  const database = createDatabase(() => Date.now());
  return {
    open: () => database.openStore(host),
    async setConsumers(consumers) {
      for (const [uuid, address] of Object.entries(consumers)) {
        if (address === '') database.removeConsumer(uuid);
        else database.setConsumer(uuid, address);
      }
    },
    consumers: async () => Object.fromEntries(database.consumers),
    reply: async () => database.reply,
    summaries: async () => database.summaries.length,
    call: async (uuid) => void database.called.add(uuid),
    async setOwnIp(ip) {
      database.ownIp = parseIp(ip);
    },
  };
}

function alive(address: string, over: Partial<HealthRecord> = {}): HealthRecord {
  const now = Date.now();
  return { state: 'alive', address, since: now, lastOk: now, recent: NO_OUTCOMES, ...over };
}

function dead(address: string): HealthRecord {
  const now = Date.now();
  return { state: 'dead', address, since: now, lastFail: now, fails: 3, counted: 3, recent: NO_OUTCOMES };
}

async function opened(store: RoundStore): Promise<OpenedRound> {
  const round = await store.openRound({ shard: 0 });
  assert.ok(typeof round !== 'string', String(round));
  return round;
}

const write = (store: RoundStore, page: Partial<PageWrite> = {}) =>
  store.writePage({ part: PART, nowMs: store.nowMs(), health: [], state: NO_STATE, ...page });
const end: RoundEnd = { summary: { round: 'r', at: 1 } };

/** A whole round that does `work`; answers what that answers. */
async function inRound<Result>(
  place: Place,
  work: (store: RoundStore, round: OpenedRound) => Result | Promise<Result>,
): Promise<Result> {
  const store = place.open();
  const result = await work(store, await opened(store));
  assert.notEqual(await write(store, { end }), 'lease-lost');
  await store.close();
  return result;
}

/** Writes health, in a round of its own. */
function know(place: Place, records: Readonly<Record<string, HealthRecord>>): Promise<unknown> {
  const health = Object.entries(records).map(([field, record]) => ({ field, record }));
  return inRound(place, (store) => write(store, { health }));
}

const claim = (slot: number, n: number, address = `9.9.9.${n}`) => ({
  slot,
  uuid: uuidOf(n),
  address,
  from: uuidOf(99),
  at: 1_764_000_000_000,
});

/** One list of cases for every implementation of the interface, over every engine. */
function contract(newPlace: () => Place): void {
  test('one round at a time: another finds it held, until it has ended', async () => {
    const place = newPlace();
    const [first, second, third] = [place.open(), place.open(), place.open()];
    await opened(first);
    assert.equal(await second.openRound({ shard: 0 }), 'held');
    const shard = place.open();
    assert.ok(
      typeof (await shard.openRound({ shard: 1, begun: { at: Date.now(), withinMs: 60_000 } })) !== 'string',
    );
    await write(first, { end });
    await opened(third);
    assert.equal(await write(first), 'lease-lost');
    assert.equal(
      await first.settle([{ kind: 'return', move: { field: 'x', from: 'y', health: alive('z') } }]),
      'lease-lost',
    );
    await write(third, { end });
    await Promise.all([first, second, third, shard].map((store) => store.close()));
  });

  test('a shard of a round that began too long ago is late', async () => {
    const store = newPlace().open();
    const begun = { at: Date.now() - 120_000, withinMs: 60_000 };
    assert.equal(await store.openRound({ shard: 2, begun }), 'late');
    await store.close();
  });

  test('a round starts from what the last one left: where it stood, and a time after its probes', async () => {
    const place = newPlace();
    await place.setOwnIp('203.0.113.7');
    await place.setConsumers({ [uuidOf(1)]: '8.8.8.8', [uuidOf(2)]: '8.8.4.4:7000' });
    const state: PartState = {
      position: pageAt('17', 1_764_000_000_000),
      tries: { '4far': { tried: 7, failed: 2 } },
      sourced: [4],
      outage: true,
      worst: Array.from(
        { length: MOST_WORST },
        (_, n) => [uuidOf(n).toUpperCase(), 4e9 + n, 1_764_000_000_000] as const,
      ),
    };
    const store = place.open();
    const nothing = await opened(store);
    assert.deepEqual(nothing.stateOf(1), NO_STATE);
    const nowMs = store.nowMs() + 1_000;
    await write(store, { state, nowMs });
    await write(store, { state, nowMs, end });
    await store.close();

    const next = place.open();
    const round = await opened(next);
    assert.equal(round.consumers, 2);
    assert.equal(round.ownIp, '203.0.113.7');
    assert.deepEqual(round.stateOf(1), state);
    assert.ok(round.at > nowMs, 'the last round was ahead of this one');
    assert.ok(round.lease.leftMs() > 20_000 && !round.lease.lost);
    await write(next, { part: { shard: 0, of: 3 }, end });
    await next.close();

    await inRound(place, (_, split) =>
      assert.deepEqual(split.stateOf(1), NO_STATE, 'another split drops it'),
    );
  });

  test('pages bring every entry, whatever it holds, and its health', async () => {
    const place = newPlace();
    const odd = { 'no uuid': 'no address', [uuidOf(0).toUpperCase()]: '::1' };
    const many = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, n) => [uuidOf(n + 1), `10.0.${n >> 8}.${n & 255}`]),
    );
    await place.setConsumers({ ...odd, ...many });
    await know(place, { [uuidOf(7)]: alive(many[uuidOf(7)] ?? '') });
    const store = place.open();
    await opened(store);
    const found = new Map<string, string>();
    let pages = 0;
    for (let cursor = '0'; pages === 0 || cursor !== '0'; pages++) {
      const page = await store.scanConsumers(cursor, 1_000);
      assert.ok(page !== 'rejected');
      for (const { field, address } of page.entries) found.set(field, address);
      cursor = page.next;
    }
    assert.ok(pages >= 4, `${pages}`);
    assert.deepEqual(
      Object.fromEntries([...found].toSorted()),
      Object.fromEntries(Object.entries({ ...odd, ...many }).toSorted()),
    );
    const [none, some] = await store.readHealth([uuidOf(8), uuidOf(7)]);
    assert.equal(none, undefined);
    assert.equal(some?.state, 'alive');
    assert.deepEqual(await store.readHealth([]), []);
    assert.equal(await store.scanConsumers('rubbish', 1_000), 'rejected');
    await write(store, { end });
    await store.close();
  });

  test('health is written in large pages, and what consumers do not hold any more goes at the end', async () => {
    const place = newPlace();
    const fields = Array.from({ length: 2_500 }, (_, n) => uuidOf(n));
    await place.setConsumers(Object.fromEntries(fields.slice(0, 2_000).map((field) => [field, '8.8.8.8'])));
    const store = place.open();
    await opened(store);
    const health = fields.map((field) => ({ field, record: alive('8.8.8.8') }));
    assert.deepEqual(await write(store, { health }), { forgotten: 0, unusable: [] });
    let forgotten = 0;
    await write(store, { end });
    await store.close();
    for (let round = 0; round < 6; round++) {
      const later = place.open();
      await opened(later);
      const written = await write(later, { end });
      assert.ok(written !== 'lease-lost');
      forgotten += written.forgotten;
      if (round === 5) {
        const read = await later.readHealth(fields);
        assert.equal(read.filter((record) => record !== undefined).length, 2_000);
      }
      await later.close();
    }
    assert.ok(forgotten > 0 && forgotten <= 500);
  });

  test('the end of a round keeps its summary, and what an API may answer', async () => {
    const place = newPlace();
    const reply = [{ uuid: uuidOf(1), ip: '8.8.8.8' }];
    for (const each of [{ ...end, reply }, end]) {
      const store = place.open();
      await opened(store);
      assert.deepEqual(await write(store, { end: each }), { forgotten: 0, unusable: [] });
      await store.close();
    }
    assert.equal(await place.summaries(), 2);
    assert.deepEqual(await place.reply(), reply, 'a round that saw too little leaves the one that is there');
  });

  test('who called is taken once', async () => {
    const place = newPlace();
    await place.call(uuidOf(1));
    await place.call(uuidOf(2));
    for (const expected of [[uuidOf(1), uuidOf(2)], []]) {
      await inRound(place, (_, { called }) => assert.deepEqual(called.toSorted(), expected));
    }
  });

  test('consumers are found by uuid, however the API spells it', async () => {
    const place = newPlace();
    const upper = uuidOf(2).toUpperCase();
    await place.setConsumers({ [uuidOf(1)]: '8.8.8.8', [upper]: '8.8.4.4' });
    await know(place, { [upper]: dead('8.8.4.4') });
    const find = (...uuids: Uuid[]) => inRound(place, (store) => store.findConsumers(uuids));
    const found = await find(uuidOf(1), uuidOf(2), uuidOf(3));
    assert.deepEqual(
      found.map(({ field, address, health }) => [field, address, health?.state]),
      [
        [uuidOf(1), '8.8.8.8', undefined],
        [upper, '8.8.4.4', 'dead'],
      ],
    );
    assert.deepEqual(await find(), []);
  });

  /** The candidates by their slot, in a round of its own. */
  const candidatesOf = async (place: Place): Promise<Map<number, Candidate>> => {
    const candidates = await inRound(place, (_, round) => round.candidates);
    return new Map(candidates.map((each) => [each.slot, each]));
  };

  test('a candidate keeps its slot until it has failed, and of a known uuid only the dead are of interest', async () => {
    const place = newPlace();
    await place.setConsumers({
      [uuidOf(5)]: '8.8.8.5',
      [uuidOf(6).toUpperCase()]: '8.8.8.6',
      [uuidOf(7)]: '8.8.8.7',
    });
    await know(place, { [uuidOf(5)]: alive('8.8.8.5'), [uuidOf(6).toUpperCase()]: dead('8.8.8.6') });
    const store = place.open();
    await opened(store);
    const slots = (learned: readonly Candidate[]) => learned.map(({ slot }) => slot);
    assert.deepEqual(await store.learn([]), []);
    const learned = await store.learn([claim(1, 1), claim(2, 2), claim(3, 5), claim(4, 6), claim(1_023, 7)]);
    assert.deepEqual(slots(learned), [1, 2, 4]);
    assert.deepEqual(await store.learn([claim(1, 3), claim(2, 2)]), [], 'taken');
    await write(store, { end });
    await store.close();

    const held = await candidatesOf(place);
    assert.deepEqual(
      [...held.values()].toSorted((a, b) => a.slot - b.slot),
      learned,
    );
    const failing = place.open();
    const { candidates } = await opened(failing);
    const at = Date.now();
    await failing.settle(candidates.map((candidate) => ({ kind: 'failed', candidate, at })));
    assert.deepEqual(await failing.learn([claim(1, 1)]), [], 'never from itself');
    const after = await failing.learn([claim(1, 3), claim(2, 2, '9.9.9.22')]);
    assert.deepEqual(slots(after), [1, 2], 'they have failed');
    await write(failing, { end });
    await failing.close();
    const now = await candidatesOf(place);
    assert.equal(now.get(1)?.uuid, uuidOf(3));
    assert.equal(now.get(2)?.address, '9.9.9.22');
    assert.deepEqual([now.get(1)?.failures, now.get(4)?.failures], [0, 1]);
  });

  test('the third failure frees a slot', async () => {
    const place = newPlace();
    for (const expected of [0, 1, 2, undefined]) {
      await inRound(place, async (store, { candidates }) => {
        if (expected === 0) await store.learn([claim(9, 9)]);
        else if (expected !== undefined || candidates.length > 0) {
          await store.settle(candidates.map((candidate) => ({ kind: 'failed', candidate, at: 1 })));
        }
      });
      assert.equal((await candidatesOf(place)).get(9)?.failures, expected);
    }
  });

  test('what has changed meanwhile is left alone', async () => {
    const place = newPlace();
    await place.setConsumers({
      [uuidOf(2)]: 'by the API',
      [uuidOf(3)]: '8.8.8.3',
      [uuidOf(4)]: '8.8.8.4',
      [uuidOf(5)]: '8.8.8.5',
      [uuidOf(6)]: '8.8.8.6',
    });
    await know(place, {
      [uuidOf(3)]: dead('8.8.8.3'),
      [uuidOf(4)]: dead('8.8.8.4'),
      [uuidOf(5)]: alive('8.8.8.5'),
      [uuidOf(6)]: alive('8.8.8.6'),
    });
    await inRound(place, (store) => store.learn([claim(1, 1), claim(3, 3), claim(4, 4), claim(8, 8)]));

    const store = place.open();
    const { candidates } = await opened(store);
    const inSlot = (slot: number, n = slot): Candidate =>
      candidates.find((each) => each.slot === slot) ?? { ...claim(slot, n), failures: 0, stored: 'gone' };
    await place.setConsumers({ [uuidOf(4)]: 'moved by the API' });
    const settled = await store.settle([
      { kind: 'promote', candidate: inSlot(1), health: alive('9.9.9.1') },
      { kind: 'promote', candidate: { ...inSlot(8), stored: 'another' }, health: alive('9.9.9.8') },
      {
        kind: 'move',
        candidate: inSlot(3),
        move: { field: uuidOf(3), from: '8.8.8.3', health: alive('9.9.9.3') },
      },
      {
        kind: 'move',
        candidate: inSlot(4),
        move: { field: uuidOf(4), from: '8.8.8.4', health: alive('9.9.9.4') },
      },
      { kind: 'return', move: { field: uuidOf(5), from: '8.8.8.5', health: alive('9.9.9.5') } },
      { kind: 'return', move: { field: uuidOf(6), from: 'elsewhere', health: alive('9.9.9.6') } },
    ]);
    assert.deepEqual(settled, { promoted: [uuidOf(1)], moved: [uuidOf(3), uuidOf(5)] });
    const [, , three, , five, six] = await store.readHealth([1, 2, 3, 4, 5, 6].map(uuidOf));
    assert.deepEqual([three?.address, five?.address, six?.address], ['9.9.9.3', '9.9.9.5', '8.8.8.6']);
    await write(store, { end });
    await store.close();
    assert.deepEqual(await place.consumers(), {
      [uuidOf(1)]: '9.9.9.1',
      [uuidOf(2)]: 'by the API',
      [uuidOf(3)]: '9.9.9.3',
      [uuidOf(4)]: 'moved by the API',
      [uuidOf(5)]: '9.9.9.5',
      [uuidOf(6)]: '8.8.8.6',
    });
    assert.deepEqual([...(await candidatesOf(place)).keys()], [8], 'the others have left their slots');
  });

  test('a newcomer that the API has added meanwhile keeps the address of the API', async () => {
    const place = newPlace();
    await inRound(place, (store) => store.learn([claim(1, 1)]));
    await inRound(place, async (store, { candidates: [candidate] }) => {
      await place.setConsumers({ [uuidOf(1).toUpperCase()]: '8.8.8.8' });
      assert.ok(candidate !== undefined);
      const settled = await store.settle([{ kind: 'promote', candidate, health: alive('9.9.9.1') }]);
      assert.deepEqual(settled, { promoted: [], moved: [] });
    });
  });
}

describe('the store of rounds, in memory', () => contract(memoryPlace));

for (const { title, redis: options, suite } of REDIS_STACKS) {
  describe(`the store of rounds, ${title}`, suite, () => {
    const testRedis = redisForSuite(options);
    let places = 0;

    /** A prefix of its own in the Redis of the suite. */
    const redisPlace = (): Place & { readonly keys: ReturnType<typeof createKeys> } => {
      places += 1;
      const keys = createKeys(`{p2p-${places}}:`);
      const { redis, command } = testRedis();
      const abort = new AbortController();
      return {
        keys,
        open: () => createRoundStore({ redis, keys, localUuid: LOCAL_UUID, host, signal: abort.signal }),
        async setConsumers(consumers) {
          const entries = Object.entries(consumers);
          const [gone, set] = [entries.filter(([, at]) => at === ''), entries.filter(([, at]) => at !== '')];
          if (gone.length > 0) await command('HDEL', keys.consumers, ...gone.map(([uuid]) => uuid));
          if (set.length > 0) await command('HSET', keys.consumers, ...set.flat());
        },
        consumers: async () => testRedis().hash(keys.consumers),
        reply: async () => JSON.parse(String(await command('GET', keys.reply))).consumers,
        summaries: async () => Number(await command('XLEN', keys.rounds)),
        call: async (uuid) => void (await command('SADD', keys.called, uuid)),
        setOwnIp: async (ip) => void (await command('HSET', keys.ip, 'current', ip)),
      };
    };
    contract(redisPlace);

    test('a lease whose reply is lost because the process ends is given back', async () => {
      const { keys } = redisPlace();
      const { redis, command } = testRedis();
      const ending = new AbortController();
      const losing: Redis = {
        ...redis,
        async send(requests, options) {
          const replies = await redis.send(requests, options);
          if (ending.signal.aborted || (await command('EXISTS', keys.lease('sync:0'))) !== 1) return replies;
          ending.abort();
          throw new RedisUnavailableError('lost', { mayHaveRun: true });
        },
      };
      const { signal } = ending;
      const store = createRoundStore({ redis: losing, keys, localUuid: LOCAL_UUID, host, signal });
      await assert.rejects(() => store.openRound({ shard: 0 }), /lost/);
      assert.ok(signal.aborted);
      assert.equal(await command('EXISTS', keys.lease('sync:0')), 0);
      await store.close();
    });

    test('what is no candidate of ours holds no slot', async () => {
      const place = redisPlace();
      const stored = { uuid: uuidOf(1), address: '9.9.9.1', from: uuidOf(99), at: 1, failures: 0 };
      const damages = [
        { ...stored, uuid: 'x' },
        { ...stored, address: 5 },
        { ...stored, from: null },
        { ...stored, at: 'x' },
        { ...stored, failures: -1 },
        { ...stored, failures: '0' },
        { ...stored, more: 'x'.repeat(1_000) },
        { ...stored, from: '\u00ff' },
      ].map((damage) => JSON.stringify(damage));
      const names = ['0005', '1024', '5 ', '-5', uuidOf(1)].map((name) => [name, JSON.stringify(stored)]);
      const entries = [...damages, 'x', '[]'].map((json, slot) => [String(slot), json]);
      await testRedis().command('HSET', place.keys.candidates, ...[...entries, ...names].flat());
      await inRound(place, async (store, { candidates }) => {
        assert.deepEqual(candidates, []);
        const learned = await store.learn(entries.map((_, slot) => claim(slot, 1, '9.9.9.1')));
        assert.equal(learned.length, entries.length);
      });
      assert.equal(await testRedis().command('HLEN', place.keys.candidates), entries.length + 1);
    });

    test('a lease of another type, without an end, or with one too far away is damage and taken over', async () => {
      const { command } = testRedis();
      const damages = [
        (key: string) => command('RPUSH', key, 'x'),
        (key: string) => command('SET', key, 'another'),
        (key: string) => command('SET', key, 'another', 'PX', 86_400_000),
      ];
      for (const damage of damages) {
        const place = redisPlace();
        await damage(place.keys.lease('sync:0'));
        await inRound(place, () => undefined);
        assert.equal(await command('EXISTS', place.keys.lease('sync:0')), 0);
      }
    });

    test('a round whose lease turns into another type has lost it, and writes nothing more', async () => {
      const place = redisPlace();
      const { command } = testRedis();
      const key = place.keys.lease('sync:0');
      await place.setConsumers({ [uuidOf(1)]: '9.9.9.1' });
      await know(place, { [uuidOf(1)]: alive('9.9.9.1') });
      await inRound(place, (store) => store.learn([claim(7, 7)]));
      const store = place.open();
      const { candidates } = await opened(store);
      const [candidate] = candidates;
      assert.ok(candidate !== undefined);
      await command('DEL', key);
      await command('RPUSH', key, 'x');
      const health = [{ field: uuidOf(1), record: dead('9.9.9.1') }];
      assert.equal(await write(store, { health, end }), 'lease-lost');
      assert.equal(await store.settle([{ kind: 'drop', candidate }]), 'lease-lost');
      await store.close();
      assert.deepEqual(await command('LRANGE', key, 0, -1), ['x']);
      await inRound(place, async (next, round) => {
        assert.equal((await next.readHealth([uuidOf(1)]))[0]?.state, 'alive');
        assert.equal(round.candidates.length, 1);
      });
    });

    test('a stored state that is none counts as none, and one of version 1 is taken up', async () => {
      const place = redisPlace();
      const { command } = testRedis();
      await testRedis().put(place.keys.cursor, {
        '0/1': '17@1764000000000',
        '0/2': '{"position":7}',
        '0/3': 'x',
      });
      await inRound(place, (_, round) => {
        assert.deepEqual(round.stateOf(1).position, pageAt('17', 1_764_000_000_000));
        assert.deepEqual([round.stateOf(2), round.stateOf(3)], [NO_STATE, NO_STATE]);
      });
      assert.deepEqual(((await command('HKEYS', place.keys.cursor)) as string[]).toSorted(), [
        '0/1',
        'health',
        'probed',
      ]);
    });
  });
}
