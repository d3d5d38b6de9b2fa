import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countCommands } from '../../support/monitor.ts';
import { needsRealRedis } from '../../support/redis.ts';
import { fakePost, INTERVAL_MS, manyConsumers, startWorld } from './harness.ts';

/** What a round may cost: commands sent, a script as one, and commands run, which a hosted Redis bills. */
for (const { consumers, sent: mostSent, run: mostRun } of [
  { consumers: 10, sent: 6, run: 25 },
  { consumers: 10_000, sent: 20, run: 80 },
]) {
  test(
    `a round of ${consumers} consumers sends at most ${mostSent} commands, and runs at most ${mostRun}`,
    needsRealRedis(),
    async (t) => {
      const world = await startWorld(t, {}, { engine: 'real' });
      await world.setConsumers(manyConsumers(consumers));
      // The first one sends the texts of the scripts, and finds no health.
      await world.round({ post: fakePost() });
      world.advance(INTERVAL_MS);

      const count = await countCommands(world.test.tcpUrl, (word) => world.test.command('ECHO', word));
      const summary = await world.round({ post: fakePost() });
      const { sent, run } = await count.take();

      t.diagnostic(`${sent} sent, ${run} run`);
      assert.equal(summary.states.alive, consumers);
      assert.equal(summary.commands, sent);
      assert.ok(sent <= mostSent, `${sent} sent`);
      assert.ok(run <= mostRun, `${run} run`);
    },
  );
}
