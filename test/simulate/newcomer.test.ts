import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inThread } from '../support/thread.ts';
import { describe } from './measures/statistics.ts';
import type { Contest } from './newcomer.ts';

/** `NEWCOMER_TRIALS=1000 npx node --test test/simulate/newcomer.test.ts` for the figures of docs/SCALING.md. */
const TRIALS = Number(process.env.NEWCOMER_TRIALS ?? 40);
const SEED = Number(process.env.SIMULATE_SEED ?? 1);

/** Bounds of the mean and of the 99th percentile, in rounds. */
const CONTESTS: readonly (Contest & { readonly mean: number; readonly p99: number })[] = [
  { teachers: 1, poisoners: 1, mean: 2, p99: 4 },
  { teachers: 1, poisoners: 5, mean: 2, p99: 12 },
  { teachers: 1, poisoners: 30, mean: 4, p99: 20 },
  { teachers: 5, poisoners: 30, mean: 2, p99: 6 },
];

const roundsUntilKnown = inThread<[Contest, number], number>(
  new URL('./newcomer.ts', import.meta.url),
  'roundsUntilKnown',
);

for (const { teachers, poisoners, mean, p99 } of CONTESTS) {
  test(`a newcomer that ${teachers} of ${teachers + poisoners} teachers name, while the others lie, is soon known`, async (t) => {
    const rounds: number[] = [];
    for (let trial = 0; trial < TRIALS; trial++) {
      rounds.push(await roundsUntilKnown({ teachers, poisoners }, SEED + trial));
    }
    const found = describe(rounds);
    t.diagnostic(`seed ${SEED}: mean ${found?.mean.toFixed(1)}, p99 ${found?.p99}, max ${found?.max} rounds`);
    assert.ok(found !== undefined && found.mean <= mean && found.p99 <= p99);
  });
}
