import assert from 'node:assert/strict';
import type { Command, ScriptCall } from '../../../lib/redis/redis.ts';
import { defineScript } from '../../../lib/redis/script.ts';
import { LONGEST_LEASE_MS } from '../../../lib/store/delivery-record.ts';
import { DAY, HOUR, MINUTE } from '../../support/clock.ts';
import { uuidOf } from '../../support/uuids.ts';
import { ip, NEW, OLD } from '../../support/votes.ts';
import { inWorld, type World } from './world.ts';

/** Changes the address from OLD to NEW now, and answers what the commit did. */
async function change(w: World) {
  const { outcome, commit } = await w.later(0, NEW, NEW, NEW);
  assert.equal(outcome, 'changed');
  return commit;
}

/** The same script, but Redis dies before its n-th write: what was written before stays. */
function dyingBefore(write: number) {
  return (trip: number, requests: readonly (Command | ScriptCall)[]): readonly (Command | ScriptCall)[] => {
    if (trip !== 2) return requests;
    return requests.map((request) => {
      if (!('script' in request)) return request;
      const { name, lua } = request.script;
      const dying = `
local alive, writes, real = true, 0, redis
local function dying(command)
  if command == 'HSET' or command == 'HDEL' or command == 'ZADD' or command == 'ZREM' or command == 'XADD' then
    writes = writes + 1
    if writes == ${write} then error('POWER CUT') end
  end
end
local redis = { error_reply = real.error_reply,
  call = function(...) dying(...) return real.call(...) end,
  pcall = function(...) dying(...) return real.pcall(...) end }
${lua}`;
      return { ...request, script: defineScript(`${name}-dying-before-${write}`, dying) };
    });
  };
}

inWorld('a commit', ({ test, settled }) => {
  test('every member of producers becomes due, whatever its record and its score say', async (w) => {
    await w.settle(OLD, uuidOf(1), uuidOf(2), uuidOf(3));
    await w.test.command('ZADD', w.keys.due, w.nowMs + 3_600_000, uuidOf(2));
    await w.test.command('HSET', w.keys.deliveries, uuidOf(2), '{"attempts":7,"firstAt":5,"leaseEpoch":5}');
    await w.test.command('HSET', w.keys.deliveries, uuidOf(3), 'poison');
    const now = w.nowMs;

    const commit = await change(w);

    assert.deepEqual(commit, { due: 3, leased: 0, skipped: 0, dropped: 0, removed: 0 });
    await w.assertDue({ [uuidOf(1)]: now, [uuidOf(2)]: now, [uuidOf(3)]: now });
    assert.deepEqual(
      await w.records(),
      { [uuidOf(2)]: '{"attempts":7,"firstAt":5,"leaseEpoch":5}', [uuidOf(3)]: 'poison' },
      'records are not rewritten',
    );
  });

  test('a delivery that has a lease is left alone, expired or not', async (w) => {
    await w.settle(OLD, uuidOf(1), uuidOf(2), uuidOf(3));
    const live = { lease: 'token-1', leaseEpoch: 1, leaseEnd: w.nowMs + 30_000 };
    const expired = { lease: 'token-2', leaseEpoch: 1, leaseEnd: w.nowMs - 30_000 };
    await w.test.put(w.keys.deliveries, {
      [uuidOf(1)]: JSON.stringify(live),
      [uuidOf(2)]: JSON.stringify(expired),
    });
    await w.test.command('ZADD', w.keys.due, live.leaseEnd, uuidOf(1), expired.leaseEnd, uuidOf(2));
    const now = w.nowMs;

    const commit = await change(w);

    assert.equal(commit?.due, 1);
    assert.equal(commit?.leased, 2);
    await w.assertDue({
      [uuidOf(1)]: live.leaseEnd,
      [uuidOf(2)]: expired.leaseEnd,
      [uuidOf(3)]: now,
    });
    assert.deepEqual(await w.records(), {
      [uuidOf(1)]: JSON.stringify(live),
      [uuidOf(2)]: JSON.stringify(expired),
    });
  });

  test('a record that only mentions a lease has none', async (w) => {
    await w.settle(OLD, uuidOf(1), uuidOf(2), uuidOf(3));
    await w.test.command(
      'HSET',
      w.keys.deliveries,
      ...[uuidOf(1), '{"lastStatus":"\\"lease\\"","leaseEpoch":5}'],
      ...[uuidOf(2), '{"lease":null}'],
      ...[uuidOf(3), '["lease"]'],
    );
    assert.equal((await change(w))?.due, 3);
  });

  settled(
    'a leased delivery that fell out of the due set is put back: a record with a lease is always a member',
    async (w) => {
      await w.test.command('HSET', w.keys.deliveries, uuidOf(1), '{"lease":"token","leaseEnd":5}');
      const now = w.nowMs;
      await change(w);
      await w.assertDue({ [uuidOf(1)]: now });
    },
  );

  test('a field of producers that is no uuid is skipped and counted, and its value does not matter', async (w) => {
    await w.settle(OLD);
    await w.test.command(
      'HSET',
      w.keys.producers,
      ...[uuidOf(1), 'not an address'],
      ...[uuidOf(2).toUpperCase().replace('8000', 'A000'), '169.254.169.254'],
      ...['not-a-uuid', '198.51.100.1'],
      ...[`${uuidOf(3)}0`, '198.51.100.1'],
      ...[uuidOf(4).replaceAll('-', ''), '198.51.100.1'],
      ...['', '198.51.100.1'],
    );
    const commit = await change(w);
    assert.equal(commit?.due, 2);
    assert.equal(commit?.skipped, 4);
    assert.deepEqual(Object.keys(await w.due()).sort(), [
      uuidOf(1),
      uuidOf(2).toUpperCase().replace('8000', 'A000'),
    ]);
    assert.ok(w.logs.some(({ level, message }) => level === 'warn' && message.includes('UUID')));
  });

  test('only a commit drops a missing producer: one without lease that 24 looks in a row have missed', async (w) => {
    await w.settle(OLD, uuidOf(9));
    const records = {
      [uuidOf(1)]: { missed: 24 },
      [uuidOf(2)]: { missed: 23 },
      [uuidOf(3)]: { missed: 30, lease: 'token', leaseEnd: w.nowMs - DAY },
      [uuidOf(4)]: { attempts: 3 },
      [uuidOf(5)]: { missed: 'poison' },
      [uuidOf(6)]: { missed: 24, ambiguousEpoch: 1, ambiguousAt: w.nowMs },
      [uuidOf(7)]: { missingSince: w.nowMs - 30 * DAY },
    };
    const nextLook = w.nowMs + HOUR;
    for (const [uuid, record] of Object.entries(records)) {
      await w.test.command('HSET', w.keys.deliveries, uuid, JSON.stringify(record));
      await w.test.command('ZADD', w.keys.due, nextLook, uuid);
    }
    // No commit, nothing dropped.
    await w.later(0, OLD, OLD, OLD);
    assert.equal(Object.keys(await w.due()).length, 7);

    const commit = await change(w);

    assert.equal(commit?.dropped, 2);
    assert.equal(commit?.removed, 1);
    assert.deepEqual(Object.keys(await w.due()).sort(), [2, 3, 4, 5, 7, 9].map(uuidOf));
    assert.deepEqual(
      Object.keys(await w.records()).sort(),
      [2, 3, 4, 5, 6, 7].map(uuidOf),
      'what may still arrive outlives the delivery',
    );
  });

  settled(
    'a producer that is in producers is not dropped, however long its record calls it missing',
    async (w) => {
      await w.test.put(w.keys.deliveries, {
        [uuidOf(1)]: '{"ackedEpoch":7,"missed":23,"missingSince":5,"lastStatus":"200"}',
      });
      await w.test.command('ZADD', w.keys.due, w.nowMs + HOUR, uuidOf(1));
      const commit = await change(w);
      assert.equal(commit?.dropped, 0);
      assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
      assert.deepEqual(
        await w.records(),
        { [uuidOf(1)]: '{"ackedEpoch":7,"lastStatus":"200"}' },
        'it was seen',
      );
    },
  );

  test('clean-up deletes records without producer, lease and delivery whose ambiguity ended over 60 s ago', async (w) => {
    await w.settle(OLD, uuidOf(9));
    const at = w.nowMs + 3_000;
    const records: Readonly<Record<string, string>> = {
      [uuidOf(1)]: '{"ackedEpoch":5,"ackedAt":5}',
      [uuidOf(2)]: JSON.stringify({ ambiguousEpoch: 5, ambiguousAt: at - MINUTE - 1 }),
      [uuidOf(3)]: JSON.stringify({ ambiguousEpoch: 5, ambiguousAt: at - MINUTE }),
      [uuidOf(4)]: JSON.stringify({ lease: 'token', leaseEnd: 5 }),
      [uuidOf(5)]: '{"attempts":1}',
      [uuidOf(6)]: 'poison',
      [uuidOf(9)]: '{"ackedEpoch":5,"ackedAt":5}',
    };
    for (const [uuid, record] of Object.entries(records)) {
      await w.test.command('HSET', w.keys.deliveries, uuid, record);
    }
    await w.test.command('ZADD', w.keys.due, at + DAY, uuidOf(5));

    const commit = await change(w);

    assert.equal(commit?.removed, 3);
    assert.deepEqual(Object.keys(await w.records()).sort(), [3, 4, 5, 9].map(uuidOf));
  });

  test('an ambiguity that ends farther ahead than a lease can be is damage by a clock, and keeps no record', async (w) => {
    await w.settle(OLD, uuidOf(9));
    const at = w.nowMs + 3_000;
    for (const [n, ahead] of [
      [1, LONGEST_LEASE_MS],
      [2, LONGEST_LEASE_MS + 1],
    ] as const) {
      const record = JSON.stringify({ ambiguousEpoch: 5, ambiguousAt: at + ahead });
      await w.test.command('HSET', w.keys.deliveries, uuidOf(n), record);
    }
    assert.equal((await change(w))?.removed, 1);
    assert.deepEqual(Object.keys(await w.records()), [uuidOf(1)]);
  });

  test('producers that acknowledged the epoch before are due before all others', async (w) => {
    await w.settle(OLD, ...[1, 2, 3, 4, 5].map(uuidOf));
    const { epoch } = await w.register();
    await w.test.command(
      'HSET',
      w.keys.deliveries,
      ...[uuidOf(1), `{"ackedEpoch":${epoch},"ackedAt":5}`],
      ...[uuidOf(2), `{"ackedEpoch":${epoch}5}`],
      ...[uuidOf(3), '{"ackedEpoch":5,"attempts":9}'],
      ...[uuidOf(4), `{"attempts":1,"ackedEpoch":${epoch}}`],
    );
    await change(w);
    const [first, others] = [w.nowMs - 4_000, w.nowMs - 3_000];
    await w.assertDue({
      [uuidOf(1)]: first,
      [uuidOf(4)]: first,
      [uuidOf(2)]: others,
      [uuidOf(3)]: others,
      [uuidOf(5)]: others,
    });
  });

  test('the history of a change tells how the telling of the change before went, and the counting starts anew', async (w) => {
    await w.settle(OLD, uuidOf(1), uuidOf(2), uuidOf(3));
    await w.set({ told: '2', firstAck: '1764000003100', lastAck: '1764000003200' });
    await w.test.command('ZADD', w.keys.due, w.nowMs + HOUR, uuidOf(3));
    await change(w);
    const entry = (await w.history()).at(-1);
    assert.deepEqual(
      [entry?.told, entry?.of, entry?.firstAck, entry?.lastAck],
      ['2', '3', '1764000003100', '1764000003200'],
    );
    const register = await w.register();
    assert.deepEqual([register.told, register.firstAck, register.lastAck], ['0', undefined, undefined]);
    await w.later(HOUR, OLD, OLD, OLD);
    const next = (await w.history()).at(-1);
    assert.deepEqual([next?.told, next?.of, next?.firstAck], ['0', '3', undefined]);
  });

  test('the register keeps the last eight addresses, each once', async (w) => {
    await w.settle(OLD);
    const addresses = Array.from({ length: 10 }, (_, i) => ip(`203.0.113.${100 + i}`));
    for (const address of [...addresses, ...addresses.slice(0, 3)])
      await w.later(25 * HOUR, address, address, address);
    const recent = (await w.register()).recent?.split(' ').map((entry) => entry.split('@')[0]);
    assert.deepEqual(
      recent,
      [1, 0, 9, 8, 7, 6, 5, 4].map((i) => addresses[i]),
    );
  });

  test('nothing that the consumer API wrote is deleted or changed', async (w) => {
    await w.settle(OLD, uuidOf(1), 'no uuid');
    await w.test.command('HSET', w.keys.consumers, uuidOf(7), 'anything');
    const before = await w.test.command('HGETALL', w.keys.producers);
    await change(w);
    assert.deepEqual(await w.test.command('HGETALL', w.keys.producers), before);
    assert.deepEqual(await w.test.command('HGETALL', w.keys.consumers), [uuidOf(7), 'anything']);
  });

  test('without producers a change is committed all the same', async (w) => {
    await w.settle(OLD);
    assert.deepEqual(await change(w), { due: 0, leased: 0, skipped: 0, dropped: 0, removed: 0 });
    assert.equal((await w.register()).current, NEW);
  });

  test('2,345 producers with as many records become due, in chunks that lose nobody', async (w) => {
    const uuids = Array.from({ length: 2_345 }, (_, i) => uuidOf(i));
    await w.settle(OLD, ...uuids);
    for (let from = 0; from < uuids.length; from += 500) {
      const records = uuids
        .slice(from, from + 500)
        .flatMap((uuid, i) => [uuid, (from + i) % 2 === 0 ? '{"lease":"token"}' : '{"ackedEpoch":5}']);
      await w.test.command('HSET', w.keys.deliveries, ...records);
    }
    const gone = Array.from({ length: 1_234 }, (_, i) => uuidOf(10_000 + i));
    await w.test.command('HSET', w.keys.deliveries, ...gone.flatMap((uuid) => [uuid, '{"missed":24}']));
    await w.test.command('ZADD', w.keys.due, ...gone.flatMap((uuid) => [w.nowMs + HOUR, uuid]));

    const commit = await change(w);

    assert.deepEqual(commit, { due: 1_172, leased: 1_173, skipped: 0, dropped: 1_234, removed: 1_234 });
    assert.deepEqual(Object.keys(await w.due()).sort(), uuids.toSorted());
    assert.deepEqual(Object.keys(await w.records()).sort(), uuids.toSorted());
  });

  test('the history is bounded', async (w) => {
    await w.settle(OLD);
    for (let i = 0; i < 1_200; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, () => w.test.command('XADD', w.keys.ipHistory, '*', 'from', 'x')),
      );
    }
    await change(w);
    const length = Number(await w.test.command('XLEN', w.keys.ipHistory));
    assert.ok(length >= 1_000 && length < 1_200, `${length} entries`);
  });

  test('a script that dies before any of its writes is repeated by the next check, and nobody is left out', async (w) => {
    let deaths = 0;
    for (let write = 1; write <= 20; write++) {
      await w.reset();
      await w.settle(OLD, uuidOf(1), uuidOf(2), uuidOf(3));
      await w.set({ candidate: NEW, candidateChecks: '1', candidateAt: '5' });
      await w.test.command('HSET', w.keys.deliveries, uuidOf(3), '{"lease":"token","leaseEnd":5}');
      await w.test.command('HSET', w.keys.deliveries, uuidOf(7), '{"missed":24}');
      await w.test.command('HSET', w.keys.deliveries, uuidOf(2), '{"missed":5}');
      await w.test.command('ZADD', w.keys.due, 5, uuidOf(3), w.nowMs + HOUR, uuidOf(7));
      const { epoch } = await w.register();
      w.answers = [NEW, NEW, NEW];
      const died = await w.check({ request: dyingBefore(write) }).then(
        () => false,
        (error: unknown) => {
          assert.match(String(error), /POWER CUT/);
          return true;
        },
      );
      const told = () => w.due().then((due) => Object.keys(due).sort());
      if ((await w.register()).current === NEW) {
        assert.deepEqual(await told(), [1, 2, 3].map(uuidOf), 'the register is written after who is due');
      }
      if (!died) break;
      deaths += 1;
      for (let i = 0; i < 3; i++) await w.later(MINUTE, NEW, NEW, NEW);

      const register = await w.register();
      assert.equal(register.current, NEW, `dead before write ${write}`);
      assert.ok(Number(register.epoch) > Number(epoch));
      assert.equal(register.candidate, undefined);
      assert.equal(register.recorded, register.ticket);
      assert.deepEqual(await told(), [1, 2, 3].map(uuidOf), `dead before write ${write}`);
      assert.deepEqual(Object.keys(await w.records()).sort(), [2, 3].map(uuidOf));
      assert.deepEqual(w.invoked.at(-1)?.payload, { changed: { ip: NEW, epoch: Number(register.epoch) } });
      // Readers keep the last of equal changes in a row.
      assert.equal((await w.history()).at(-1)?.epoch, register.epoch);
    }
    assert.equal(deaths, 8, 'two ZADD, HSET, ZREM, HDEL, XADD, and of the register HSET and HDEL');
  });
});
