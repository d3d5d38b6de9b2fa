import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANTED } from '../support/planted.ts';
import { needsRealRedis } from '../support/redis.ts';
import { runChaos } from './chaos.ts';
import { formatFailure } from './table.ts';
import { NO_FINDINGS } from './verdict.ts';

/** `CHAOS_SEED=5 npm test` for the same again; `npm run chaos` for more. */
const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000_000);

test(
  'handlers and Redis are killed at random moments, and every producer gets the newest address, newest last',
  needsRealRedis(),
  async (t) => {
    const { tally, failures } = await runChaos({ runs: 6, seed: SEED, lanes: 2 });
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(tally)}`);
    assert.deepEqual(tally.findings, NO_FINDINGS, failures.map(formatFailure).join('\n'));
    assert.ok(tally.changes > 0 && tally.judged > 0, 'there was nothing to be judged');
  },
);

/** Runs that show each soon. The other mistakes are shown by the model, which is a hundred times as fast. */
for (const [plant, seed, finding] of [
  ['failure-ends', 1, 'lost'],
  ['address-ignored', 5, 'lost'],
] as const) {
  test(`a planted mistake is found: ${PLANTED[plant].what}`, needsRealRedis(), async (t) => {
    const { tally } = await runChaos({ runs: 30, seed, lanes: 2, plant, untilFailure: true });
    t.diagnostic(`after ${tally.runs} runs: ${JSON.stringify(tally.findings)}`);
    assert.ok(tally.findings[finding] > 0, `${tally.runs} runs did not show it`);
  });
}
