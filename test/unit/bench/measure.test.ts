import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparison, interleave, median, reading } from '../../../bench/measure.ts';

const run = (ms: number) => ({ ms, facts: {} });

test('the median is the middle of an odd number of values and the mean of the two middle ones of an even number', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 100, 2]), 3);
  assert.equal(median([7]), 7);
  assert.throws(() => median([]), /at least one/);
});

test('contestants run in turn, and the first pass of each does not count', async () => {
  const order: string[] = [];
  const contestant = (name: string) => async () => {
    order.push(name);
    return run(order.length);
  };
  const runs = await interleave({ a: contestant('a'), b: contestant('b') }, 2);
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.deepEqual(
    [runs.a, runs.b].map((list) => list.map(({ ms }) => ms)),
    [
      [3, 5],
      [4, 6],
    ],
  );
});

test('a run that fails ends the comparison', async () => {
  const broken = async () => {
    throw new Error('status 500');
  };
  await assert.rejects(interleave({ broken }, 1), /status 500/);
});

test('a rate says how often as fast as the other, from the pairs that ran one after the other', () => {
  const figure = comparison('rate', 'rate', [100, 200, 400], [50, 200, 800], { atLeast: 0.85 });
  assert.equal(figure.value, 1);
  assert.deepEqual(figure.spread, [0.5, 2]);
  assert.deepEqual(figure.target, { atLeast: 0.85 });
});

test('a share says how much of the other', () => {
  assert.equal(comparison('memory', 'share', [150], [100]).value, 1.5);
});

test('unequal numbers of runs are not compared', () => {
  assert.throws(() => comparison('rate', 'rate', [1, 2], [1]), /2 runs against 1/);
});

test('a reading is the median with its spread', () => {
  assert.deepEqual(reading('time', 'ms', [3, 1, 2]), { name: 'time', value: 2, unit: 'ms', spread: [1, 3] });
});
