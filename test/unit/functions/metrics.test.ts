import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { roundMetrics } from '../../../functions/sync.ts';

const ROUND = { of: 1, complete: true, resumed: false, states: { new: 0, alive: 9, suspect: 1, dead: 3 } };

describe('the metrics of a round', () => {
  test('count the consumers by state after a complete round', () => {
    assert.deepEqual(roundMetrics(ROUND), { RoundsCut: 0, Alive: 9, Suspect: 1, Dead: 3 });
  });

  test('average to the whole over the shards of a large one', () => {
    const shards = [
      { ...ROUND, of: 2, states: { new: 0, alive: 6, suspect: 1, dead: 0 } },
      { ...ROUND, of: 2, states: { new: 0, alive: 3, suspect: 0, dead: 3 } },
    ].map(roundMetrics);

    const average = (shards.reduce((sum, { Alive = 0 }) => sum + Alive, 0) ?? 0) / shards.length;
    assert.equal(average, 9);
  });

  for (const [what, cut] of [
    ['a round that found another at work', { complete: false, stopped: 'held' }],
    ['a round that began too late', { complete: false, stopped: 'late' }],
    ['a round during an outage of our own', { complete: false, stopped: 'outage' }],
    ['the rest of a round that was cut', { resumed: true }],
  ] as const) {
    test(`say nothing about consumers after ${what}`, () => {
      assert.deepEqual(roundMetrics({ ...ROUND, ...cut }), { RoundsCut: 0 });
    });
  }

  test('count a round that ran out of time', () => {
    assert.deepEqual(roundMetrics({ ...ROUND, complete: false, stopped: 'time' }), { RoundsCut: 1 });
  });
});
