import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMet, isShown } from '../../../bench/row.ts';

test('a target is met at its bound, and by nothing that is not a number', () => {
  assert.equal(isMet({ value: 0.85, target: { atLeast: 0.85 } }), true);
  assert.equal(isMet({ value: 0.849, target: { atLeast: 0.85 } }), false);
  assert.equal(isMet({ value: 4, target: { atMost: 4 } }), true);
  assert.equal(isMet({ value: 4.1, target: { atMost: 4 } }), false);
  assert.equal(isMet({ value: Number.NaN, target: { atMost: 4 } }), false);
  assert.equal(isMet({ value: Number.NaN, target: { atLeast: 4 } }), false);
  assert.equal(isMet({ value: 1e9 }), true);
});

test('a row shows what it promises only if it was measured and every target is met', () => {
  const met = { name: 'a', value: 1, unit: 'x', target: { atLeast: 1 } };
  const missed = { name: 'b', value: 0, unit: 'x', target: { atLeast: 1 } };
  assert.equal(isShown({ kind: 'measured', figures: [met], notes: [] }), true);
  assert.equal(isShown({ kind: 'measured', figures: [met, missed], notes: [] }), false);
  assert.equal(isShown({ kind: 'skipped', why: 'no redis-server' }), false);
});
