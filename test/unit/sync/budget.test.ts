import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { candidatesPart, createBudget } from '../../../lib/sync/budget.ts';

test('the budgets of all shards add up to that of the round, and none is empty', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 1_000_000 }),
      fc.integer({ min: 1, max: 100 }),
      (maxProbes, of) => {
        const parts = Array.from({ length: of }, (_, shard) => createBudget(maxProbes, { shard, of }).left);
        assert.equal(
          parts.reduce((sum, part) => sum + part, 0),
          maxProbes,
        );
        assert.ok(Math.min(...parts) > 0 && Math.max(...parts) - Math.min(...parts) <= 1);
      },
    ),
  );
});

test('no more is taken than is left', () => {
  const budget = createBudget(100, { shard: 0, of: 1 });
  assert.deepEqual(
    [budget.take(60), budget.left, budget.take(60), budget.left, budget.take(1)],
    [60, 40, 40, 0, 0],
  );
});

test('candidates may take a tenth of what is left', () => {
  assert.equal(candidatesPart(createBudget(1_000, { shard: 0, of: 2 })), 50);
});

test('without a limit everything is taken, by candidates too', () => {
  const budget = createBudget(Number.POSITIVE_INFINITY, { shard: 2, of: 3 });
  assert.equal(budget.take(1_000_000), 1_000_000);
  assert.equal(budget.left, Number.POSITIVE_INFINITY);
  assert.equal(candidatesPart(budget), Number.POSITIVE_INFINITY);
});
