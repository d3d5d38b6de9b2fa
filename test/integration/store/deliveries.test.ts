import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { RedisReplyError } from '../../../lib/errors.ts';
import { MAX_AHEAD_MS } from '../../../lib/redis/clock.ts';
import type { Result } from '../../../lib/store/deliveries.ts';
import { LONGEST_WAIT_MS } from '../../../lib/store/delivery-record.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../support/clock.ts';
import { needsRealRedis, startTestRedis } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import {
  A1,
  A2,
  createWorld,
  LEASE_MS,
  OK,
  P1,
  P2,
  REFUSED,
  RELEASED,
  RETRY_MS,
  T0,
  TIMEOUT,
  type World,
} from './delivery-world.ts';

const UNAVAILABLE: Result = { kind: 'failed', status: '503', ambiguous: false, retryInMs: RETRY_MS };

const FACES = [
  ['the embedded engine', { engine: 'embedded' }],
  ['a real Redis', { engine: 'real' }],
  ['the REST API', { engine: 'any', transport: 'rest' }],
] as const;

for (const [face, options] of FACES) {
  const { engine } = options;
  describe(`claim and settle, ${face}`, engine === 'real' ? needsRealRedis() : {}, async () => {
    const { redis } = await startTestRedis({ after }, options);
    const start = () => createWorld(redis);
    /** A world with one producer, to which the address of `epoch` is due since `T0`. */
    const owed = async () => {
      const world = start();
      await world.produce(P1, A1);
      return { world, epoch: await world.commit('203.0.113.1', T0) };
    };

    describe('what is claimed', () => {
      test('a claim reads the address, the IP and the epoch of its own moment, not of the commit', async () => {
        const { world } = await owed();
        await world.commit('203.0.113.2', T0 + 5);
        await world.produce(P1, A2);
        const { epoch, deliveries } = await world.claim(T0 + 10);
        assert.equal(deliveries[0]?.ip, '203.0.113.2');
        assert.equal(epoch, T0 + 5);
        assert.equal(deliveries[0]?.rawAddress, A2);
        assert.equal(deliveries[0]?.epoch, T0 + 5);
      });

      test('nothing is claimed while the register has no current IP, as after a commit that died before it wrote it', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.command('ZADD', world.keys.due, T0, P1);
        const reply = await world.claim(T0 + 1);
        assert.equal(reply.state, 'no-address');
        assert.deepEqual(reply.deliveries, []);
        assert.equal(await world.score(P1), T0);
        assert.deepEqual(await world.record(P1), {});
        assert.equal(await world.command('EXISTS', world.keys.lease('notify')), 0);
      });

      for (const [what, fields] of [
        ['an epoch that is no number', ['current', '203.0.113.1', 'epoch', 'x']],
        ['an epoch of 0', ['current', '203.0.113.1', 'epoch', '0']],
        ['no epoch', ['current', '203.0.113.1']],
        ['a current that is no address', ['current', 'http://x', 'epoch', '1']],
      ] as const) {
        test(`nothing is claimed while the register has ${what}`, async () => {
          const world = start();
          await world.produce(P1, A1);
          await world.command('ZADD', world.keys.due, T0, P1);
          await world.command('HSET', world.keys.ip, ...fields);
          assert.equal((await world.claim(T0 + 1)).state, 'no-address');
          assert.deepEqual(await world.record(P1), {});
        });
      }

      test('a delivery that is due later is not claimed', async () => {
        const { world } = await owed();
        await world.settle(T0 + 1, await world.claimOne(T0), REFUSED);
        assert.deepEqual((await world.claim(T0 + RETRY_MS)).deliveries, []);
        assert.equal((await world.claim(T0 + 1 + RETRY_MS)).deliveries.length, 1);
      });

      test('what a commit with a clock ahead of ours made due is claimed, within what a clock may be ahead', async () => {
        const { world } = await owed();
        assert.deepEqual((await world.claim(T0 - 4 * SECOND)).deliveries, []);
        const { deliveries, more } = await world.claim(T0 - 3 * SECOND);
        assert.equal(deliveries.length, 1);
        assert.equal(more, false);
        assert.equal(
          (await world.record(P1)).leaseEnd,
          T0 - 3 * SECOND + LEASE_MS,
          'the lease is by our clock',
        );
      });

      test('no more than the free places are taken, those due longest first', async () => {
        const world = start();
        await world.command('HSET', world.keys.ip, 'current', '203.0.113.1', 'epoch', T0);
        for (const i of [3, 1, 2]) {
          await world.produce(uuidOf(i), A1);
          await world.command('ZADD', world.keys.due, T0 + i, uuidOf(i));
        }
        const reply = await world.claim(T0 + 10, { places: 2 });
        assert.deepEqual(
          reply.deliveries.map(({ uuid }) => uuid),
          [uuidOf(1), uuidOf(2)],
        );
        assert.equal(reply.more, true);
        const last = await world.claim(T0 + 10);
        assert.deepEqual(
          last.deliveries.map(({ uuid }) => uuid),
          [uuidOf(3)],
        );
        assert.equal(last.more, false);
      });
    });

    describe('leases', () => {
      test('a lease is token, epoch and end in the record, counted from the claim, and its score is its end', async () => {
        const { world, epoch } = await owed();
        const { token } = await world.claimOne(T0 + 7);
        const record = await world.record(P1);
        assert.equal(record.lease, token);
        assert.equal(record.leaseEpoch, epoch);
        assert.equal(record.leaseEnd, T0 + 7 + LEASE_MS);
        assert.equal(await world.score(P1), T0 + 7 + LEASE_MS);
      });

      test('leaseEnd alone decides: a live lease that looks due is not claimed, and its score is set to its end', async () => {
        const { world } = await owed();
        const { token } = await world.claimOne(T0);
        await world.command('ZADD', world.keys.due, T0, P1);
        const reply = await world.claim(T0 + LEASE_MS - 1, { holding: 1 });
        assert.deepEqual(reply.deliveries, []);
        assert.equal(await world.score(P1), T0 + LEASE_MS);
        assert.equal((await world.record(P1)).lease, token);
      });

      test('an expired lease becomes an ambiguous attempt that ends a lease from now, and the delivery is claimed', async () => {
        const { world, epoch } = await owed();
        const lost = await world.claimOne(T0);
        const next = await world.claimOne(T0 + LEASE_MS);
        const record = await world.record(P1);
        assert.notEqual(next.token, lost.token);
        assert.equal(record.lease, next.token);
        assert.equal(record.ambiguousEpoch, epoch);
        assert.equal(record.ambiguousAt, T0 + 2 * LEASE_MS);
        assert.equal(next.attempts, 1);
        assert.equal(record.lastStatus, 'unsettled');
      });

      test('an expired lease of a missing producer becomes ambiguous too, is removed, and the delivery stays', async () => {
        const { world, epoch } = await owed();
        await world.claimOne(T0);
        await world.remove(P1);
        const reply = await world.claim(T0 + LEASE_MS + 5);
        const record = await world.record(P1);
        assert.equal(reply.missing, 1);
        assert.equal(record.lease, undefined);
        assert.equal(record.leaseEnd, undefined);
        assert.equal(record.ambiguousEpoch, epoch);
        assert.equal(record.ambiguousAt, T0 + 2 * LEASE_MS + 5);
        assert.equal(record.missed, 1);
        assert.equal(await world.score(P1), T0 + LEASE_MS + 5 + MINUTE);
      });

      test('a live lease of a missing producer is left alone', async () => {
        const { world } = await owed();
        const { token } = await world.claimOne(T0);
        await world.remove(P1);
        await world.command('ZADD', world.keys.due, T0, P1);
        await world.claim(T0 + 10);
        assert.equal((await world.record(P1)).lease, token);
        assert.equal((await world.record(P1)).missed, undefined);
        assert.equal(await world.score(P1), T0 + LEASE_MS);
      });

      test('two claims never hold the same delivery', async () => {
        const world = start();
        for (let i = 0; i < 10; i++) await world.produce(uuidOf(i), A1);
        await world.commit('203.0.113.1', T0);
        const [first, second] = await Promise.all([
          world.claim(T0, { places: 6 }),
          world.claim(T0, { places: 6 }),
        ]);
        const uuids = [...first.deliveries, ...second.deliveries].map(({ uuid }) => uuid);
        assert.equal(uuids.length, 10);
        assert.equal(new Set(uuids).size, 10);
      });

      test('a record whose leaseEnd no lease can have is damage, and does not hold the delivery for ever', async () => {
        const { world } = await owed();
        await world.command(
          'HSET',
          world.keys.deliveries,
          P1,
          JSON.stringify({ lease: 'x', leaseEpoch: T0 - 1, leaseEnd: 9e15 }),
        );
        const { token } = await world.claimOne(T0 + 5);
        const record = await world.record(P1);
        assert.equal(record.lease, token);
        assert.equal(record.ambiguousEpoch, T0 - 1);
        assert.equal(record.ambiguousAt, T0 + 5 + LEASE_MS);
      });
    });

    describe('missing producers', () => {
      test('each look that misses it is counted, and the next one is a minute later, doubling to an hour', async () => {
        const { world } = await owed();
        await world.remove(P1);
        let now = T0;
        const delays = [];
        for (let look = 1; look <= 30; look++) {
          assert.equal((await world.claim(now)).missing, 1);
          assert.equal((await world.record(P1)).missed, look);
          const next = (await world.score(P1)) ?? 0;
          delays.push((next - now) / MINUTE);
          now = next;
        }
        assert.deepEqual(delays.slice(0, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert.ok(
          delays.slice(6).every((minutes) => minutes === 60),
          'and a claim never drops it',
        );
        assert.equal((now - T0) / HOUR > 23, true, 'thirty looks take about a day');
      });

      test('a pause of the scheduler counts for one look', async () => {
        const { world } = await owed();
        await world.remove(P1);
        await world.claim(T0);
        await world.claim(T0 + 8 * HOUR);
        assert.equal((await world.record(P1)).missed, 2);
        assert.equal(await world.score(P1), T0 + 8 * HOUR + 2 * MINUTE);
      });

      test('many in front are postponed claim by claim, and the one behind them is reached', async () => {
        const { world } = await owed();
        const members = Array.from({ length: 40 }, (_, i) => [T0 - 10 * SECOND, uuidOf(i)]).flat();
        await world.command('ZADD', world.keys.due, ...members);
        const replies = [];
        for (let i = 0; i < 3; i++) replies.push(await world.claim(T0, { places: 16 }));
        assert.deepEqual(
          replies.map(({ missing, more, deliveries }) => [missing, more, deliveries.length]),
          [
            [16, true, 0],
            [16, true, 0],
            [8, false, 1],
          ],
        );
      });
    });

    describe('records that cannot be used', () => {
      test('an address that is far too long, or a uuid that is none, is put off for an hour without a claim', async () => {
        const world = start();
        await world.produce(P1, 'x'.repeat(10_000));
        await world.produce('nobody', A1);
        await world.command('HSET', world.keys.ip, 'current', '203.0.113.1', 'epoch', T0);
        await world.command('ZADD', world.keys.due, T0, P1, T0, 'nobody');
        const reply = await world.claim(T0);
        assert.deepEqual(reply.deliveries, []);
        assert.equal(reply.unusable, 2);
        assert.equal(await world.score(P1), T0 + HOUR);
        assert.equal(await world.score('nobody'), T0 + HOUR);
        assert.equal((await world.record(P1)).lastStatus, 'bad-address');
        assert.equal((await world.record('nobody')).lastStatus, 'bad-uuid');
      });

      for (const poison of [
        '',
        'x',
        '[]',
        '[1]',
        '7',
        'null',
        '{"lease":',
        '{"lease":5,"attempts":"many"}',
      ]) {
        test(`a record ${JSON.stringify(poison)} counts as empty and is overwritten`, async () => {
          const { world, epoch } = await owed();
          await world.command('HSET', world.keys.deliveries, P1, poison);
          const delivery = await world.claimOne(T0);
          assert.equal(delivery.attempts, 0);
          assert.equal(delivery.firstAt, T0);
          await world.command('HSET', world.keys.deliveries, P1, poison);
          assert.equal(await world.settle(T0 + 1, delivery, OK), 'stale');
          assert.equal(await world.settle(T0 + 2, await world.claimOne(T0 + LEASE_MS), OK), 'told');
          assert.equal((await world.record(P1)).ackedEpoch, epoch);
        });
      }
    });

    describe('success', () => {
      test('of the current epoch it removes the delivery and says who acknowledged what and when', async () => {
        const { world, epoch } = await owed();
        const delivery = await world.claimOne(T0);
        assert.equal(await world.settle(T0 + 40, delivery, OK), 'told');
        assert.equal(await world.score(P1), undefined);
        const record = await world.record(P1);
        assert.equal(record.ackedEpoch, epoch);
        assert.equal(record.ackedAt, T0 + 40);
        assert.equal(record.address, A1);
        assert.equal(record.lastStatus, '200');
        assert.equal(record.lease, undefined);
        assert.equal(record.leaseEpoch, epoch, 'leaseEpoch stays after a settle');
      });

      test('counts only if producers still holds the very string that was called', async () => {
        const world = start();
        await world.produce(P1, '198.51.100.9');
        await world.commit('203.0.113.1', T0);
        const delivery = await world.claimOne(T0);
        await world.produce(P1, '198.51.100.9:80');
        assert.equal(await world.settle(T0 + 9, delivery, OK), 'moved');
        assert.equal(await world.score(P1), T0 + 9 - MAX_AHEAD_MS);
        assert.equal((await world.record(P1)).ackedEpoch, undefined);
        assert.equal((await world.claimOne(T0 + 9)).rawAddress, '198.51.100.9:80');
      });

      test('counts for one that was removed and added again at the same address', async () => {
        const { world } = await owed();
        const delivery = await world.claimOne(T0);
        await world.remove(P1);
        await world.produce(P1, A1);
        assert.equal(await world.settle(T0 + 9, delivery, OK), 'told');
      });

      test('of an older epoch it makes the delivery due at once, and says what was acknowledged', async () => {
        const { world, epoch: first } = await owed();
        const delivery = await world.claimOne(T0);
        const second = await world.commit('203.0.113.2', T0 + 5);
        assert.equal(await world.settle(T0 + 9, delivery, OK), 'older');
        assert.equal(await world.score(P1), T0 + 9 - MAX_AHEAD_MS);
        assert.equal((await world.record(P1)).ackedEpoch, first);
        const next = await world.claimOne(T0 + 9);
        assert.equal(next.epoch, second);
        assert.equal(await world.settle(T0 + 10, next, OK), 'told');
        assert.equal((await world.record(P1)).ackedEpoch, second);
      });

      test('settled after the lease has ended still counts while nobody took the delivery over', async () => {
        const { world } = await owed();
        const delivery = await world.claimOne(T0);
        assert.equal(await world.settle(T0 + LEASE_MS + 9, delivery, OK), 'told');
        assert.equal(await world.score(P1), undefined);
      });
    });

    describe('ambiguity', () => {
      test('a success is repeated 60 s after the end of an ambiguous attempt that carried an older epoch', async () => {
        const { world } = await owed();
        const hung = await world.claimOne(T0);
        const epoch = await world.commit('203.0.113.2', T0 + 1);
        assert.equal(await world.settle(T0 + 5_100, hung, TIMEOUT, { endedAt: T0 + 5_000 }), 'older');
        assert.equal(await world.settle(T0 + 6_000, await world.claimOne(T0 + 5_100), OK), 'again');
        assert.equal(await world.score(P1), T0 + 5_000 + MINUTE);
        assert.equal((await world.record(P1)).ackedEpoch, epoch);
        assert.equal((await world.record(P1)).ackedAt, T0 + 6_000);

        const resend = await world.claimOne(T0 + 5_000 + MINUTE);
        assert.equal(await world.settle(T0 + 70_000, resend, OK), 'told');
        assert.equal(await world.score(P1), undefined);
        const record = await world.record(P1);
        assert.equal(record.ambiguousEpoch, undefined);
        assert.equal(record.ambiguousAt, undefined);
        assert.equal(record.ackedAt, T0 + 6_000, 'the first acknowledgement of an epoch is kept');
      });

      test('an attempt claimed less than 60 s after that end does not clear it, whenever it succeeds', async () => {
        const { world } = await owed();
        const hung = await world.claimOne(T0);
        await world.commit('203.0.113.2', T0 + 1);
        await world.settle(T0 + 5_000, hung, TIMEOUT);
        await world.settle(T0 + 5_001, await world.claimOne(T0 + 5_000), UNAVAILABLE);
        const early = await world.claimOne(T0 + 5_000 + MINUTE - 1);
        assert.equal(await world.settle(T0 + 5_000 + MINUTE + 9, early, OK), 'again');
        const late = await world.claimOne(T0 + 5_000 + MINUTE + 9);
        assert.equal(await world.settle(T0 + 5_000 + MINUTE + 20, late, OK), 'told');
      });

      test('of the present epoch it does not hold up the removal, and outlives it', async () => {
        const { world, epoch: first } = await owed();
        await world.settle(T0 + 5_000, await world.claimOne(T0), TIMEOUT);
        assert.equal(await world.settle(T0 + 35_001, await world.claimOne(T0 + 35_000), OK), 'told');
        const record = await world.record(P1);
        assert.equal(record.ambiguousEpoch, first);
        assert.equal(record.ambiguousAt, T0 + 5_000);

        await world.commit('203.0.113.2', T0 + 40_000);
        assert.equal(await world.settle(T0 + 40_002, await world.claimOne(T0 + 40_001), OK), 'again');
        assert.equal(await world.score(P1), T0 + 5_000 + MINUTE);
      });

      test('the lowest epoch and the latest end are kept', async () => {
        const { world, epoch: first } = await owed();
        const one = await world.claimOne(T0);
        await world.commit('203.0.113.2', T0 + 1);
        await world.settle(T0 + 5_000, one, TIMEOUT);
        await world.settle(T0 + 10_000, await world.claimOne(T0 + 5_000), TIMEOUT);
        const record = await world.record(P1);
        assert.equal(record.ambiguousEpoch, first);
        assert.equal(record.ambiguousAt, T0 + 10_000);
        assert.equal(await world.settle(T0 + 40_001, await world.claimOne(T0 + 40_000), OK), 'again');
        assert.equal(await world.score(P1), T0 + 10_000 + MINUTE);
      });

      test("a drain that was killed before Redis's clock went forward by days may still reach its producer for a lease", async () => {
        const { world } = await owed();
        await world.claimOne(T0);
        await world.commit('203.0.113.2', T0 + 3 * DAY);
        const second = await world.claimOne(T0 + 3 * DAY + 5);
        assert.equal(await world.settle(T0 + 3 * DAY + 10, second, OK), 'again');
        assert.equal(await world.score(P1), T0 + 3 * DAY + 5 + LEASE_MS + MINUTE);
      });

      test('neither a failure nor a success at an outdated address clears it', async () => {
        const { world, epoch: first } = await owed();
        await world.settle(T0 + 5_000, await world.claimOne(T0), TIMEOUT);
        await world.commit('203.0.113.2', T0 + HOUR);
        await world.settle(T0 + HOUR + 1, await world.claimOne(T0 + HOUR), REFUSED);
        assert.equal((await world.record(P1)).ambiguousEpoch, first);
        const called = await world.claimOne(T0 + 2 * HOUR);
        await world.produce(P1, A2);
        assert.equal(await world.settle(T0 + 2 * HOUR + 1, called, OK), 'moved');
        assert.equal((await world.record(P1)).ambiguousEpoch, first);
        assert.equal(
          await world.settle(T0 + 2 * HOUR + 3, await world.claimOne(T0 + 2 * HOUR + 2), OK),
          'told',
        );
        assert.equal((await world.record(P1)).ambiguousEpoch, undefined);
      });

      test('a re-send that fails is retried as from the start', async () => {
        const { world } = await owed();
        const hung = await world.claimOne(T0);
        await world.commit('203.0.113.2', T0 + 1);
        await world.settle(T0 + 5_000, hung, TIMEOUT);
        await world.settle(T0 + 5_001, await world.claimOne(T0 + 5_000), REFUSED);
        await world.settle(T0 + 40_001, await world.claimOne(T0 + 40_000), OK);
        const resend = await world.claimOne(T0 + 5_000 + MINUTE);
        assert.equal(resend.attempts, 0);
        assert.equal(resend.firstAt, T0 + 5_000 + MINUTE);
        await world.settle(T0 + 70_000, resend, REFUSED);
        assert.equal(await world.score(P1), T0 + 70_000 + RETRY_MS);
      });
    });

    describe('failure', () => {
      test('of the current epoch is tried again when the drain says, and never given up', async () => {
        const { world } = await owed();
        let now = T0;
        for (let i = 0; i < 8; i++) {
          const delivery = await world.claimOne(now);
          assert.equal(delivery.attempts, i);
          assert.equal(delivery.firstAt, T0);
          assert.equal(await world.settle(now, delivery, REFUSED), 'retry');
          assert.equal(await world.score(P1), now + RETRY_MS);
          now += i === 6 ? 400 * DAY : RETRY_MS;
        }
        assert.equal((await world.record(P1)).lastStatus, 'refused');
      });

      test('of an older epoch is due at once, without the attempts that were made for it', async () => {
        const { world } = await owed();
        await world.settle(T0 + 1, await world.claimOne(T0), REFUSED);
        const delivery = await world.claimOne(T0 + MINUTE);
        await world.commit('203.0.113.2', T0 + MINUTE + 1);
        assert.equal(await world.settle(T0 + MINUTE + 2, delivery, REFUSED), 'older');
        assert.equal(await world.score(P1), T0 + MINUTE + 2 - MAX_AHEAD_MS);
        assert.equal((await world.record(P1)).attempts, 0);
      });

      test('a claim of another epoch starts attempts and firstAt anew', async () => {
        const { world } = await owed();
        await world.settle(T0 + 1, await world.claimOne(T0), REFUSED);
        await world.commit('203.0.113.2', T0 + DAY);
        const delivery = await world.claimOne(T0 + DAY);
        assert.equal(delivery.attempts, 0);
        assert.equal(delivery.firstAt, T0 + DAY);
      });
    });

    describe('release', () => {
      test('a claim whose request did not start is due at once, no attempt, not ambiguous', async () => {
        const { world, epoch } = await owed();
        const delivery = await world.claimOne(T0);
        assert.equal(await world.settle(T0 + 3, delivery, RELEASED), 'released');
        const record = await world.record(P1);
        assert.equal(await world.score(P1), T0 + 3 - MAX_AHEAD_MS);
        assert.equal(record.attempts, 0);
        assert.equal(record.ambiguousEpoch, undefined);
        assert.equal(record.lease, undefined);
        assert.equal(record.leaseEpoch, epoch);
      });

      test('one that this machine could not call is looked at later, without an attempt', async () => {
        const { world } = await owed();
        const later: Result = { kind: 'released', later: { status: 'local', retryInMs: MINUTE } };
        assert.equal(await world.settle(T0 + 3, await world.claimOne(T0), later), 'released');
        const record = await world.record(P1);
        assert.equal(await world.score(P1), T0 + 3 + MINUTE);
        assert.deepEqual(
          [record.attempts, record.ambiguousEpoch, record.lastStatus],
          [0, undefined, 'local'],
        );
      });
    });

    describe('a settle', () => {
      test('that runs twice changes nothing the second time', async () => {
        const { world } = await owed();
        const delivery = await world.claimOne(T0);
        await world.settle(T0 + 1, delivery, REFUSED);
        const before = [await world.record(P1), await world.score(P1)];
        assert.equal(await world.settle(T0 + 2, delivery, REFUSED), 'stale');
        assert.deepEqual([await world.record(P1), await world.score(P1)], before);
      });

      test('that runs again after a new claim leaves that claim alone', async () => {
        const { world } = await owed();
        const old = await world.claimOne(T0);
        await world.settle(T0 + 1, old, RELEASED);
        const next = await world.claimOne(T0 + 2);
        assert.equal(await world.settle(T0 + 3, old, OK), 'stale');
        assert.equal((await world.record(P1)).lease, next.token);
        assert.equal(await world.score(P1), T0 + 2 + LEASE_MS);
      });

      test('of a lease that ended and was taken over counts for nothing', async () => {
        const { world } = await owed();
        const old = await world.claimOne(T0);
        const next = await world.claimOne(T0 + LEASE_MS);
        assert.equal(await world.settle(T0 + LEASE_MS + 1, old, OK), 'stale');
        assert.equal((await world.record(P1)).lease, next.token);
        assert.equal((await world.record(P1)).ackedEpoch, undefined);
      });

      test('reports many deliveries in one script, each by its own rule', async () => {
        const world = start();
        for (let i = 0; i < 4; i++) await world.produce(uuidOf(i), A1);
        await world.commit('203.0.113.1', T0);
        const { deliveries } = await world.claim(T0);
        const results = [OK, REFUSED, RELEASED, OK] as const;
        await world.remove(deliveries[3]?.uuid ?? '');
        const settled = await world.settleMany(
          T0 + 1,
          deliveries.map((delivery, i) => [delivery, results[i] ?? OK] as const),
        );
        assert.deepEqual(settled, ['told', 'retry', 'released', 'moved']);
      });
    });

    describe('the drain lease', () => {
      const ttl = async (world: World) => Number(await world.command('PTTL', world.keys.lease('notify')));

      test('a claim takes it for as long as a delivery is leased, and another drain claims nothing then', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.produce(P2, A2);
        await world.commit('203.0.113.1', T0);
        await world.claim(T0, { places: 1, drain: 'a' });
        assert.equal(await world.holder(), 'a');
        assert.ok((await ttl(world)) > 0 && (await ttl(world)) <= LEASE_MS);
        const other = await world.claim(T0, { drain: 'b' });
        assert.equal(other.state, 'taken');
        assert.deepEqual(other.deliveries, []);
        assert.equal(await world.holder(), 'a');
      });

      test('a claim and a settle renew it', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.produce(P2, A2);
        await world.commit('203.0.113.1', T0);
        const { deliveries } = await world.claim(T0, { places: 1, drain: 'a' });
        await world.command('PEXPIRE', world.keys.lease('notify'), 5_000);
        await world.claim(T0, { drain: 'a', holding: 1 });
        assert.ok((await ttl(world)) > 5_000);
        await world.command('PEXPIRE', world.keys.lease('notify'), 5_000);
        const [delivery] = deliveries;
        assert.ok(delivery);
        await world.settle(T0 + 1, delivery, OK, { drain: 'a' });
        assert.ok((await ttl(world)) > 5_000);
      });

      test('the claim that finds nothing due while nothing is in flight lets go of it', async () => {
        const { world } = await owed();
        const { deliveries } = await world.claim(T0, { drain: 'a' });
        const [delivery] = deliveries;
        assert.ok(delivery);
        const busy = await world.claim(T0 + 1, { drain: 'a', holding: 1 });
        assert.equal(busy.state, 'claimed');
        assert.equal(await world.holder(), 'a');
        await world.settle(T0 + 2, delivery, OK, { drain: 'a' });
        const idle = await world.claim(T0 + 3, { drain: 'a' });
        assert.equal(idle.state, 'idle');
        assert.equal(await world.holder(), null);
      });

      test('a first claim that finds nothing leaves none behind', async () => {
        const world = start();
        await world.commit('203.0.113.1', T0);
        assert.equal((await world.claim(T0)).state, 'idle');
        assert.equal(await world.holder(), null);
      });

      test('one that has run out is taken by the next drain, and settles of the first still count', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.produce(P2, A2);
        await world.commit('203.0.113.1', T0);
        const { deliveries } = await world.claim(T0, { places: 1, drain: 'a' });
        await world.command('DEL', world.keys.lease('notify'));
        await world.claim(T0 + 1, { places: 1, drain: 'b' });
        const [delivery] = deliveries;
        assert.ok(delivery);
        assert.equal(await world.settle(T0 + 2, delivery, OK, { drain: 'a', ends: true }), 'told');
        assert.equal(await world.holder(), 'b', 'and it does not let go of what is not its own');
      });

      test('a key of another type is no lease: a claim replaces it, and a settle leaves it alone', async () => {
        const { world } = await owed();
        const key = world.keys.lease('notify');
        await world.command('RPUSH', key, 'x');
        const delivery = await world.claimOne(T0);
        assert.equal(typeof (await world.holder()), 'string');
        assert.ok((await ttl(world)) > 0);
        await world.command('DEL', key);
        await world.command('RPUSH', key, 'x');
        assert.equal(await world.settle(T0 + 1, delivery, OK, { ends: true }), 'told');
        assert.deepEqual(await world.command('LRANGE', key, 0, -1), ['x']);
      });

      test('the settle of a drain that ends lets go of it', async () => {
        const { world } = await owed();
        await world.settle(T0 + 1, await world.claimOne(T0), RELEASED, { ends: true });
        assert.equal(await world.holder(), null);
      });
    });

    describe('how far the telling is', () => {
      const telling = async (world: World) => {
        const { told, firstAck, lastAck } = await world.register();
        return [told, firstAck, lastAck].map((text) => (text === undefined ? undefined : Number(text)));
      };

      test('each producer that acknowledges the current address is counted, once', async () => {
        const world = start();
        for (let i = 0; i < 3; i++) await world.produce(uuidOf(i), A1);
        await world.commit('203.0.113.1', T0);
        const [first, second, third] = (await world.claim(T0)).deliveries;
        assert.ok(first && second && third);
        await world.settle(T0 + 10, first, OK);
        assert.deepEqual(await telling(world), [1, T0 + 10, T0 + 10]);
        await world.settle(T0 + 20, second, REFUSED);
        await world.settle(T0 + 20, first, OK);
        assert.deepEqual(await telling(world), [1, T0 + 10, T0 + 10]);
        await world.settle(T0 + 30, third, OK);
        await world.settle(T0 + 50_000, await world.claimOne(T0 + RETRY_MS + 20), OK);
        assert.deepEqual(await telling(world), [3, T0 + 10, T0 + 50_000]);
      });

      test('an answer at a former address, for an older epoch, or to a re-send is not counted', async () => {
        const { world } = await owed();
        const hung = await world.claimOne(T0);
        await world.commit('203.0.113.2', T0 + 1);
        await world.settle(T0 + 5_000, hung, TIMEOUT);
        const called = await world.claimOne(T0 + 5_000);
        await world.produce(P1, A2);
        await world.settle(T0 + 5_001, called, OK);
        assert.equal((await world.register()).lastAck, undefined);
        assert.equal(await world.settle(T0 + 5_003, await world.claimOne(T0 + 5_002), OK), 'again');
        const counted = await telling(world);
        assert.deepEqual(counted.slice(1), [T0 + 5_003, T0 + 5_003]);
        await world.settle(T0 + 2 * MINUTE, await world.claimOne(T0 + 2 * MINUTE), OK);
        assert.deepEqual(await telling(world), counted);
      });

      test('the drain learns how long it took from the commit to the last acknowledgement', async () => {
        const { world } = await owed();
        const delivery = await world.claimOne(T0 + 5);
        const { toldAfterMs, backlog } = await world.turn(T0 + 40, {
          ended: [{ delivery, result: OK, endedMonotonicMs: T0 + 39 }],
          next: 'end',
        });
        assert.equal(toldAfterMs, 40);
        assert.deepEqual(backlog, { remaining: 0 });
      });

      test('it is not told how long where the register does not say since when', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.commit('203.0.113.1', T0);
        const delivery = await world.claimOne(T0 + 5);
        await world.command('HSET', world.keys.ip, 'since', 'poison');
        const ended = [{ delivery, result: OK, endedMonotonicMs: T0 + 39 }];
        assert.equal((await world.turn(T0 + 40, { ended, next: 'end' })).toldAfterMs, undefined);
      });
    });

    describe('a turn that settles and claims', () => {
      test('what is settled is not claimed in the same script, also if it is due again at once', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.produce(P2, A2);
        await world.commit('203.0.113.1', T0);
        const { deliveries } = await world.claim(T0, { places: 1 });
        const [delivery] = deliveries;
        assert.ok(delivery);
        const turn = {
          ended: [{ delivery, result: RELEASED, endedMonotonicMs: T0 + 1 }],
          next: { claim: 5, holding: 0 },
        };
        const reply = await world.turn(T0 + LEASE_MS, turn);
        assert.deepEqual(reply.settled, ['released']);
        assert.deepEqual(
          reply.claim?.deliveries.map(({ uuid }) => uuid),
          [[P1, P2].find((uuid) => uuid !== delivery.uuid)],
        );
        assert.equal(reply.more, true);
      });
    });

    describe('times that no clock can have given are damage', () => {
      test('a score beyond every interval counts as due now, and a delivery that waits its hour does not', async () => {
        const world = start();
        await world.produce(P1, A1);
        await world.produce(P2, A2);
        await world.commit('203.0.113.1', T0);
        await world.command('ZADD', world.keys.due, T0 + HOUR, P1, T0 + LONGEST_WAIT_MS + 1, P2);
        const { deliveries, more } = await world.claim(T0);
        assert.deepEqual(
          deliveries.map(({ uuid }) => uuid),
          [P2],
        );
        assert.equal(more, false);
        assert.equal(await world.score(P1), T0 + HOUR);
      });

      test('an ambiguity that ends ahead of the clock holds nothing up for longer than any other', async () => {
        const { world, epoch: first } = await owed();
        await world.commit('203.0.113.2', T0 + 1);
        const damage = { ambiguousEpoch: first, ambiguousAt: T0 + 5 * DAY };
        await world.command('HSET', world.keys.deliveries, P1, JSON.stringify(damage));
        assert.equal(await world.settle(T0 + 9, await world.claimOne(T0 + 5), OK), 'again');
        assert.ok(((await world.score(P1)) ?? 0) <= T0 + 9 + MINUTE);
      });
    });

    describe('a key of the wrong type', () => {
      const wrongKeys = ['due', 'deliveries', 'producers', 'ip'] as const;
      for (const name of wrongKeys) {
        test(`${name}: a claim fails by name and writes nothing`, async () => {
          const { world } = await owed();
          const key = world.keys[name];
          await world.command('DEL', key);
          await world.command('RPUSH', key, 'x');
          const before = await dump(world);
          await assert.rejects(
            world.claim(T0),
            (error) => error instanceof RedisReplyError && error.message.includes(key),
          );
          assert.deepEqual(await dump(world), before);
        });
      }

      for (const name of wrongKeys) {
        test(`${name}: a settle fails by name and writes nothing`, async () => {
          const { world } = await owed();
          const delivery = await world.claimOne(T0);
          const key = world.keys[name];
          await world.command('DEL', key);
          await world.command('RPUSH', key, 'x');
          const before = await dump(world);
          await assert.rejects(
            world.settle(T0 + 1, delivery, OK),
            (error) => error instanceof RedisReplyError && error.message.includes(key),
          );
          assert.deepEqual(await dump(world), before);
        });
      }
    });
  });
}

/** What claims and settles write, in whatever type it is. */
async function dump(world: World) {
  const { deliveries, due, ip, lease } = world.keys;
  const read = async (key: string) => {
    switch (await world.command('TYPE', key)) {
      case 'hash':
        return world.command('HGETALL', key);
      case 'zset':
        return world.command('ZRANGE', key, 0, -1, 'WITHSCORES');
      case 'list':
        return world.command('LRANGE', key, 0, -1);
      default:
        return world.command('GET', key);
    }
  };
  return Promise.all([deliveries, due, ip, lease('notify')].map(read));
}
