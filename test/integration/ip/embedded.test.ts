import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEW, OLD } from '../../unit/ip/votes.ts';
import { HOUR, inWorld, MINUTE, producer } from './world.ts';

inWorld(
  'on the embedded engine and over REST',
  (world) => {
    test('an address is found, contested, changed and announced as on a real Redis', async () => {
      const w = world();
      await w.settle(OLD, producer(1), producer(2), producer(3), 'no uuid');
      await w.test.command('HSET', w.keys.deliveries, producer(2), '{"lease":"token","leaseEnd":5}');
      await w.test.command('HSET', w.keys.deliveries, producer(7), '{"missed":24}');
      await w.test.command('HSET', w.keys.deliveries, producer(8), '{"ackedEpoch":1764000003000}');
      await w.test.command('ZADD', w.keys.due, 5, producer(2), w.nowMs + HOUR, producer(7));

      assert.equal((await w.later(0, OLD, OLD, OLD)).outcome, 'confirmed');
      assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).checks, 1);
      assert.equal((await w.later(1_000, NEW, OLD, NEW)).outcome, 'waiting');
      assert.equal((await w.later(MINUTE, '?', '?', OLD)).outcome, 'unknown');
      assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).checks, 2);
      const { outcome, commit, epoch } = await w.later(MINUTE, NEW, OLD, NEW);

      assert.equal(outcome, 'changed');
      assert.deepEqual(commit, { due: 2, leased: 1, skipped: 1, dropped: 1, removed: 2 });
      assert.deepEqual(await w.due(), {
        [producer(2)]: '5',
        [producer(1)]: String(w.nowMs - 3_000),
        [producer(3)]: String(w.nowMs - 3_000),
      });
      assert.deepEqual(await w.records(), { [producer(2)]: '{"lease":"token","leaseEnd":5}' });
      const register = await w.register();
      assert.equal(register.current, NEW);
      assert.equal(register.previous, OLD);
      assert.equal(register.candidate, undefined);
      assert.equal((await w.history()).at(-1)?.epoch, String(epoch));

      assert.equal((await w.word(NEW, 'id')).kind, 'committed');
      assert.equal((await w.word(NEW, 'id')).kind, 'repeated');
    });

    test('3,000 producers are made due by one commit', async () => {
      const w = world();
      await w.settle(OLD, ...Array.from({ length: 3_000 }, (_, i) => producer(i)));
      const { commit } = await w.later(0, NEW, NEW, NEW);
      assert.equal(commit?.due, 3_000);
      assert.equal(await w.test.command('ZCARD', w.keys.due), 3_000);
    });
  },
  { engine: 'embedded', transport: 'rest' },
);
