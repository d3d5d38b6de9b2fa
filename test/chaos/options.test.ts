import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';

function faultOf(args: readonly string[]): string {
  const options = readOptions(args);
  assert.ok('fault' in options, `${args.join(' ')} was accepted`);
  return options.fault;
}

test('a seed, a number of runs, lanes and a planted mistake can be chosen', () => {
  const args = ['--runs', '1000', '--seed=7', '--lanes', '3', '--plant', 'failure-ends', '--json'];
  assert.deepEqual(readOptions(args), {
    runs: 1000,
    seed: 7,
    lanes: 3,
    plant: 'failure-ends',
    json: true,
    help: false,
  });
});

test('an unknown option, a stray word, a bad number and an unknown mistake are errors, not guesses', () => {
  assert.match(faultOf(['--rnus', '5']), /--rnus/);
  assert.match(faultOf(['5']), /5/);
  assert.match(faultOf(['--runs', '0']), /--runs must be/);
  assert.match(faultOf(['--runs', '1e3']), /--runs must be/);
  assert.match(faultOf(['--seed', '-1']), /--seed/);
  assert.match(faultOf(['--plant', 'toString']), /no mistake toString/);
});
