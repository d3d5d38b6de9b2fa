import assert from 'node:assert/strict';
import { RedisReplyError } from '../../../lib/errors.ts';
import { MINUTE } from '../../support/clock.ts';
import { uuidOf } from '../../support/uuids.ts';
import { ip, NEW, OLD } from '../../support/votes.ts';
import { inWorld, type World } from './world.ts';

const say = (w: World, address = NEW, id = 'request-1') => w.word(address, id);

inWorld("the operator's word", ({ test, settled }) => {
  test('is committed as a change: everyone is due, the register has it, the history says who said so', async (w) => {
    await w.settle(OLD, uuidOf(1), uuidOf(2));
    await w.set({ candidate: NEW, candidateChecks: '2', candidateAt: w.nowMs });

    const word = await say(w);

    const now = String(w.nowMs);
    assert.deepEqual(word, {
      kind: 'committed',
      epoch: w.nowMs,
      counts: { due: 2, leased: 0, skipped: 0, dropped: 0, removed: 0 },
    });
    const dueSince = w.nowMs - 3_000;
    await w.assertDue({ [uuidOf(1)]: dueSince, [uuidOf(2)]: dueSince });
    const register = await w.register();
    assert.equal(register.current, NEW);
    assert.equal(register.previous, OLD);
    assert.equal(register.epoch, now);
    assert.equal(register.manualIds, '["request-1"]');
    assert.equal(register.candidate, undefined);
    assert.equal(register.verifiedAt, undefined, 'no source has confirmed it');
    const entry = (await w.history()).at(-1);
    assert.equal(entry?.source, 'manual');
    assert.equal(entry?.from, OLD);
    assert.equal(entry?.to, NEW);
    assert.equal(entry?.votes, `{"manual":"${NEW}"}`);
  });

  settled('is a new change also for the address that is current', async (w) => {
    await say(w, NEW, 'a');
    await w.test.command('DEL', w.keys.due);
    w.nowMs += MINUTE;
    const { verifiedAt, previous } = await w.register();

    const word = await say(w, NEW, 'b');

    assert.equal(word.kind, 'committed');
    assert.equal(word.epoch, w.nowMs);
    assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
    assert.equal((await w.register()).previous, previous, 'the address before is still another one');
    assert.equal((await w.register()).verifiedAt, verifiedAt);
  });

  settled('counts once per id: an invocation that is retried commits nothing again', async (w) => {
    const first = await say(w);
    await w.test.command('DEL', w.keys.due);
    w.nowMs += MINUTE;
    const before = { register: await w.register(), history: await w.history() };

    assert.deepEqual(await say(w), { kind: 'repeated', epoch: first.epoch });
    assert.deepEqual(await say(w, OLD), { kind: 'repeated', epoch: first.epoch }, 'whatever it says by now');

    assert.deepEqual({ register: await w.register(), history: await w.history() }, before);
    assert.deepEqual(await w.due(), {});
  });

  test('the last 20 ids are known, an older one is a new word', async (w) => {
    for (let i = 1; i <= 21; i++) {
      w.nowMs += 1;
      assert.equal((await say(w, NEW, `id-${i}`)).kind, 'committed');
    }
    const kept = JSON.parse((await w.register()).manualIds ?? '');
    assert.deepEqual(
      kept,
      Array.from({ length: 20 }, (_, i) => `id-${i + 2}`),
    );
    assert.equal((await say(w, NEW, 'id-2')).kind, 'repeated');
    assert.equal((await say(w, NEW, 'id-1')).kind, 'committed');
  });

  test('an id may hold anything', async (w) => {
    for (const id of ['"', '\\', '[]', 'ünïcode 語', 'a'.repeat(200), '%x%z', '5']) {
      assert.equal((await say(w, NEW, id)).kind, 'committed', id);
      assert.equal((await say(w, NEW, id)).kind, 'repeated', id);
    }
  });

  test('poisoned ids count as none and are overwritten', async (w) => {
    for (const poison of ['poison', '{}', '5', 'null', '[', '{"a":[]}', '[[["deep"]],5]']) {
      await w.set({ manualIds: poison });
      assert.equal((await say(w, NEW, 'id')).kind, 'committed', poison);
      assert.equal((await say(w, NEW, 'id')).kind, 'repeated', poison);
    }
  });

  test('is the first address of an empty register like any other', async (w) => {
    await w.addProducers(uuidOf(1));
    assert.equal((await say(w)).kind, 'committed');
    assert.equal((await w.register()).current, NEW);
    assert.equal((await w.register()).previous, undefined);
    assert.equal((await w.history())[0]?.from, '');
  });

  settled('the epoch grows from a later one, as after a clock that went back', async (w) => {
    const later = w.nowMs + 10 * MINUTE;
    await w.set({ epoch: later });
    assert.equal((await say(w)).epoch, later + 1);
  });

  settled(
    'makes a check that began before it stale, and the sources win afterwards, by three checks',
    async (w) => {
      w.answers = [OLD, OLD, OLD];
      const during = await w.check({
        before: async (trip) => {
          if (trip === 2) await say(w);
        },
      });
      assert.equal(during.outcome, 'stale');
      assert.equal(during.reason, 'epoch');
      assert.equal(during.ip, NEW);

      const outcomes: string[] = [];
      for (let i = 0; i < 3; i++) outcomes.push((await w.later(MINUTE, OLD, OLD, OLD)).outcome);
      assert.deepEqual(outcomes, ['counted', 'counted', 'changed'], 'it returns to the previous address');
      assert.equal((await w.register()).current, OLD);
    },
  );

  settled('is confirmed by the sources if it is right', async (w) => {
    await say(w);
    assert.equal((await w.later(MINUTE, NEW, NEW, NEW)).outcome, 'confirmed');
    assert.equal((await w.register()).verifiedAt, String(w.nowMs));
  });

  settled('a key of the wrong type is a clear error, and the id is not used up', async (w) => {
    await w.test.command('SET', w.keys.due, 'wrong');
    await assert.rejects(
      say(w),
      (error) => error instanceof RedisReplyError && error.message.includes(w.keys.due),
    );
    assert.equal((await w.register()).current, OLD);
    await w.test.command('DEL', w.keys.due);
    assert.equal((await say(w)).kind, 'committed');
  });

  test('of IPv6 is kept in its canonical form', async (w) => {
    await say(w, ip('2001:DB8:0:0::1'));
    assert.equal((await w.register()).current, '2001:db8::1');
  });
});
