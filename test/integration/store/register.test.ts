import assert from 'node:assert/strict';
import { IdentityError, RedisReplyError } from '../../../lib/errors.ts';
import type { Verdict } from '../../../lib/ip/decide.ts';
import type { Finding, Recorded } from '../../../lib/store/register.ts';
import { HOUR, MINUTE } from '../../support/clock.ts';
import { REDIS_STACKS } from '../../support/redis-stacks.ts';
import { uuidOf } from '../../support/uuids.ts';
import { NEW, OLD, OTHER } from '../../support/votes.ts';
import { inWorld, LOCAL_UUID, type World } from '../ip/world.ts';

/** A whole check through the store: both trips, with what the sources came to given. */
async function check(w: World, verdict: Verdict, more: Partial<Finding> = {}): Promise<Recorded> {
  const begun = await w.begin();
  return begun.record({
    verdict,
    votes: [],
    quickReturn: { kind: 'none' },
    answering: undefined,
    warnings: [],
    ...more,
  });
}

/** What any implementation of the register has to do, on any Redis, over any transport. */
for (const { title, redis, suite } of REDIS_STACKS) {
  inWorld(
    `the register store, ${title}`,
    ({ test, settled }) => {
      test('a register that is absent is begun with ticket 1, and its first address is committed', async (w) => {
        await w.addProducers(uuidOf(1), uuidOf(2), 'no uuid');
        const { register, poisoned } = await w.begin();
        assert.deepEqual([register.ticket, register.current, poisoned], [1, undefined, []]);
        assert.equal(await w.test.command('GET', w.keys.uuid), LOCAL_UUID);
        assert.deepEqual(await check(w, { kind: 'change', ip: OLD }), {
          outcome: 'changed',
          ip: OLD,
          epoch: w.nowMs,
          commit: { due: 2, leased: 0, skipped: 1, dropped: 0, removed: 0 },
          due: 2,
          draining: false,
          unknownChecks: 0,
          warnings: [],
        });
      });

      test('an address is found, contested, changed and announced', async (w) => {
        await w.settle(OLD, uuidOf(1), uuidOf(2), uuidOf(3), 'no uuid');
        const { epoch: before } = await w.register();
        await w.test.command(
          'HSET',
          w.keys.deliveries,
          ...[uuidOf(1), `{"ackedEpoch":${before},"missed":3}`],
          ...[uuidOf(2), '{"lease":"token","leaseEnd":5}'],
          ...[uuidOf(7), '{"missed":24}'],
          ...[uuidOf(8), '{"ackedEpoch":1764000003000}'],
        );
        await w.test.command('ZADD', w.keys.due, 5, uuidOf(2), w.nowMs + HOUR, uuidOf(7));

        assert.equal((await w.later(0, OLD, OLD, OLD)).outcome, 'confirmed');
        assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).checks, 1);
        assert.equal((await w.later(1_000, NEW, OLD, NEW)).outcome, 'waiting');
        assert.equal((await w.later(MINUTE, '?', '?', OLD)).outcome, 'unknown');
        assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).checks, 2);
        const { outcome, commit, epoch } = await w.later(MINUTE, NEW, OLD, NEW);

        assert.equal(outcome, 'changed');
        assert.deepEqual(commit, { due: 2, leased: 1, skipped: 1, dropped: 1, removed: 2 });
        await w.assertDue({
          [uuidOf(2)]: 5,
          [uuidOf(1)]: w.nowMs - 4_000,
          [uuidOf(3)]: w.nowMs - 3_000,
        });
        assert.deepEqual(await w.records(), {
          [uuidOf(1)]: `{"ackedEpoch":${before}}`,
          [uuidOf(2)]: '{"lease":"token","leaseEnd":5}',
        });
        const register = await w.register();
        assert.equal(register.current, NEW);
        assert.equal(register.previous, OLD);
        assert.equal(register.candidate, undefined);
        assert.equal((await w.history()).at(-1)?.epoch, String(epoch));
      });

      settled(
        'a check that comes late, twice, or for an address that has gone changes nothing',
        async (w) => {
          const rest = {
            votes: [],
            quickReturn: { kind: 'none' },
            answering: undefined,
            warnings: [],
          } as const;
          const about = (recorded: Recorded) => [recorded.outcome, recorded.reason];
          const [early, late] = [await w.begin(), await w.begin()];
          const voice = { ...rest, verdict: { kind: 'voice' } } as const;
          assert.equal((await late.record(voice)).outcome, 'confirmed');
          const change = { ...rest, verdict: { kind: 'change', ip: NEW } } as const;
          assert.deepEqual(about(await early.record(change)), ['stale', 'overtaken']);
          assert.deepEqual(about(await late.record(voice)), ['stale', 'repeated']);
          const third = await w.begin();
          await w.word(OTHER, 'id');
          const passed = { ...rest, verdict: { kind: 'quorum' } } as const;
          assert.deepEqual(about(await third.record(passed)), ['stale', 'epoch']);
          await w.test.command('DEL', w.keys.ip);
          assert.deepEqual(about(await third.record(passed)), ['stale', 'data-loss']);
          assert.deepEqual(await w.register(), {});
        },
      );

      settled(
        'a commit that is sent again answers that the address has changed, and commits once',
        async (w) => {
          w.answers = [NEW, NEW, NEW];
          const { outcome, ip, epoch, notify } = await w.check({ repeated: 2 });
          assert.deepEqual([outcome, ip, epoch, notify], ['changed', NEW, w.nowMs, 'invoked']);
          assert.equal((await w.history()).length, 2);
        },
      );

      settled("the operator's word counts once per id", async (w) => {
        const word = await w.word(NEW, 'id');
        assert.deepEqual(word, {
          kind: 'committed',
          epoch: w.nowMs,
          counts: { due: 1, leased: 0, skipped: 0, dropped: 0, removed: 0 },
        });
        w.nowMs += MINUTE;
        assert.deepEqual(await w.word(OTHER, 'id'), { kind: 'repeated', epoch: w.nowMs - MINUTE });
        assert.equal((await w.register()).current, NEW);
      });

      test("another consumer's Redis is refused by a check and by the operator's word, and nothing is written", async (w) => {
        await w.test.command('SET', w.keys.uuid, '11111111-2222-4333-8444-555555555555');
        await assert.rejects(w.begin(), IdentityError);
        await assert.rejects(w.word(NEW, 'id'), IdentityError);
        assert.equal(await w.test.command('DBSIZE'), 1);
      });

      test('an identity of another type is refused with what to do, and nothing is written', async (w) => {
        await w.test.command('RPUSH', w.keys.uuid, 'x');
        const refused = {
          name: 'IdentityError',
          message: /:uuid in Redis does not hold a UUID.* DEL .*:uuid/,
        };
        await assert.rejects(w.begin(), refused);
        await assert.rejects(w.word(NEW, 'id'), refused);
        assert.equal(await w.test.command('DBSIZE'), 1);
      });

      test('a key of the wrong type is named by the error, and nothing is written', async (w) => {
        for (const name of ['ip', 'producers', 'deliveries', 'due'] as const) {
          await w.reset();
          await w.settle(OLD, uuidOf(1));
          await w.test.command('DEL', w.keys[name]);
          await w.test.command('SET', w.keys[name], 'wrong');
          const isNamed = (error: unknown) =>
            error instanceof RedisReplyError &&
            error.code === 'WRONGTYPE' &&
            error.message.includes(w.keys[name]);
          await assert.rejects(check(w, { kind: 'change', ip: NEW }), isNamed);
          await assert.rejects(w.word(NEW, 'id'), isNamed);
          if (name !== 'ip') assert.equal((await w.register()).current, OLD);
          if (name !== 'due') assert.deepEqual(await w.due(), {});
        }
      });
    },
    redis,
    suite,
  );
}
