import assert from 'node:assert/strict';
import { DAY, HOUR, MINUTE } from '../../support/clock.ts';
import { uuidOf } from '../../support/uuids.ts';
import { NEW, OLD, OTHER } from '../../support/votes.ts';
import { inWorld, type World } from './world.ts';

const QUARTER = 15 * MINUTE;

/** Every quarter of an hour the address is the other one of two; answers what each check came to. */
async function alternate(w: World, times: number): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < times; i++) {
    const { current } = await w.register();
    const now = current === OLD ? NEW : OLD;
    outcomes.push((await w.later(QUARTER, now, now, now)).outcome);
  }
  return outcomes;
}

/** NEW was current until now, and no quick return is left. */
const spendReturns = (w: World) => w.set({ recent: `${NEW}@${w.nowMs}`, returns: 4, returnsAt: w.nowMs });

const warnings = (w: World) => w.logs.filter(({ message }) => message.includes('to and fro'));

inWorld('damping', ({ settled }) => {
  settled(
    'four returns to a former address are free, the fifth waits until an hour after the first',
    async (w) => {
      // The first change is to a new address. Four returns, and the hour has passed when the fifth comes.
      assert.deepEqual(await alternate(w, 5), ['changed', 'changed', 'changed', 'changed', 'changed']);
      const held = await alternate(w, 1);
      assert.deepEqual(held, ['changed'], 'one came back after an hour');
      assert.deepEqual(await alternate(w, 3), ['damped', 'damped', 'damped']);
      assert.deepEqual(await alternate(w, 1), ['changed']);
    },
  );

  settled(
    'a return that waits tells nobody, keeps the address, and is said once a day in the log and the history',
    async (w) => {
      await spendReturns(w);
      const before = { register: await w.register(), history: await w.history() };

      const summary = await w.later(MINUTE, NEW, NEW, NEW);

      assert.equal(summary.outcome, 'damped');
      assert.equal(summary.ip, OLD);
      assert.equal(summary.notify, 'not-needed');
      assert.deepEqual(await w.due(), {});
      const { epoch, verifiedAt, unknownChecks } = await w.register();
      assert.deepEqual([epoch, verifiedAt], [before.register.epoch, before.register.verifiedAt]);
      assert.equal(unknownChecks, '0', 'something was found out');
      await w.later(MINUTE, NEW, NEW, NEW);
      assert.equal(warnings(w).length, 1);
      assert.match(
        warnings(w)[0]?.message ?? '',
        /203\.0\.113\.1 and 203\.0\.113\.2.*two uplinks, or two hosts/,
      );
      const [entry, ...more] = (await w.history()).slice(before.history.length);
      assert.deepEqual([entry?.damped, entry?.current, more.length], [NEW, OLD, 0]);

      await w.set({ returns: 4, returnsAt: w.nowMs + DAY - MINUTE });
      await w.test.command('HSET', w.keys.ip, 'recent', `${NEW}@${w.nowMs + DAY - MINUTE}`);
      assert.equal((await w.later(DAY, NEW, NEW, NEW)).outcome, 'damped');
      assert.equal(warnings(w).length, 2);
    },
  );

  settled('a new address does not wait, however often the address has gone to and fro', async (w) => {
    await spendReturns(w);
    assert.equal((await w.later(MINUTE, NEW, NEW, NEW)).outcome, 'damped');
    assert.equal((await w.later(MINUTE, OTHER, OTHER, OTHER)).outcome, 'changed');
    const { returns } = await w.register();
    assert.equal(returns, '4', 'it costs nothing of the budget');
  });

  settled(
    'a contested return that waits stays counted: it is committed by the first check after its hour',
    async (w) => {
      const since = w.nowMs;
      await spendReturns(w);
      const outcomes: string[] = [];
      while (w.nowMs < since + HOUR) outcomes.push((await w.later(MINUTE, NEW, OLD, NEW)).outcome);
      assert.deepEqual(outcomes.slice(0, 3).toSorted(), ['counted', 'counted', 'damped']);
      assert.ok(outcomes.slice(3, -1).every((outcome) => outcome === 'damped'));
      assert.equal(outcomes.at(-1), 'changed');
      assert.equal((await w.register()).candidate, undefined);
    },
  );

  settled("the operator's word does not wait and costs nothing of the budget", async (w) => {
    await spendReturns(w);
    assert.equal((await w.word(NEW, 'id')).kind, 'committed');
    const { current, recent, returns } = await w.register();
    assert.deepEqual([current, recent, returns], [NEW, `${OLD}@${w.nowMs}`, '4']);
  });

  settled('of what version 1 wrote, the previous address is the former one', async (w) => {
    await w.later(MINUTE, NEW, NEW, NEW);
    const { since } = await w.register();
    await w.test.command('HDEL', w.keys.ip, 'recent', 'returns', 'returnsAt', 'told');
    await w.later(HOUR, OLD, OLD, OLD);
    assert.deepEqual([(await w.register()).recent, (await w.register()).returns], [`${NEW}@${w.nowMs}`, '1']);
    await w.test.command('HDEL', w.keys.ip, 'recent');
    await w.later(HOUR, OTHER, OTHER, OTHER);
    assert.match((await w.register()).recent ?? '', new RegExp(`^${OLD}@\\d+ ${NEW}@\\d+$`));
    assert.notEqual(since, undefined);
  });
});

inWorld('lost redundancy', ({ test, settled }) => {
  const few = (w: World) => w.logs.filter(({ message }) => message.includes('would not be noticed'));

  settled(
    'is said on the first day, while the one source that answers still confirms the address',
    async (w) => {
      w.nowMs += MINUTE;
      const outcomes = new Set<string>();
      for (let i = 0; i < 30; i++) outcomes.add((await w.later(MINUTE, OLD, '?', '?', '?', '?')).outcome);
      assert.deepEqual([...outcomes], ['confirmed']);
      assert.equal((await w.register()).answering, '1');
      assert.equal(few(w).length, 1);
      assert.match(few(w)[0]?.message ?? '', /1 of 5 operators .* answers, and 2 must agree/);
      await w.later(DAY, OLD, '?', '?', '?', '?');
      assert.equal(few(w).length, 2, 'once a day');
    },
  );

  settled('ends as soon as enough sources answer again: all are asked until then', async (w) => {
    await w.later(MINUTE, '?', '?', '?');
    assert.equal((await w.register()).answering, '0');
    const summary = await w.later(MINUTE, OLD, OLD, '?');
    assert.equal(summary.asked, 3);
    assert.equal((await w.register()).answering, '2');
    assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).asked, 1);
  });

  test('is not said of a quorum of one that answers', async (w) => {
    w.quorum = 1;
    await w.settle(OLD, uuidOf(1));
    await w.later(MINUTE, '?', '?', OLD);
    assert.equal(few(w).length, 0);
  });
});

inWorld("a clock of Redis's that is set", ({ settled }) => {
  for (const ms of [-10 * 365 * DAY, -DAY, -2 * HOUR, 2 * HOUR, DAY, 10 * 365 * DAY]) {
    const words = `${ms < 0 ? 'back' : 'forward'} by ${Math.abs(ms) / HOUR} hours`;
    settled(
      `${words} strands nothing: changes are found, confirmed, returned from and delivered`,
      async (w) => {
        await w.later(MINUTE, NEW, OLD, NEW);
        await w.later(MINUTE, NEW, OLD, NEW);
        assert.notEqual(
          (await w.register()).candidate,
          undefined,
          'it is set while a contested change is counted',
        );
        w.nowMs += ms;
        const { epoch } = await w.register();

        for (let i = 0; i < 4; i++) await w.later(MINUTE, NEW, OLD, NEW);
        assert.equal((await w.register()).current, NEW);
        assert.ok(Number((await w.register()).epoch) > Number(epoch), 'the epoch only grows');
        assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
        for (let i = 0; i < 3; i++) await w.later(MINUTE, OLD, OLD, OLD);
        assert.equal((await w.register()).current, OLD, 'a return takes three checks');
        assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).outcome, 'confirmed');
        assert.equal((await w.register()).verifiedAt, String(w.nowMs));
        assert.equal((await w.later(MINUTE, OTHER, OTHER, OTHER)).notify, 'invoked');
      },
    );
  }
});
