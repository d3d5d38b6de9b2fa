import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runScript } from '../support/processes.ts';
import { TARGETS } from './targets/index.ts';

/** What each test run does of it; `npm run fuzz` does more. */
const RUNS = 1_000;

for (const { name, property, seen } of TARGETS) {
  test(`${name} bears ${RUNS} random inputs`, () => {
    fc.assert(property, { numRuns: RUNS });
    assert.ok(seen.taken > 0, 'some were taken for something');
    assert.ok(seen.taken < seen.inputs, 'and not all');
  });
}

const fuzz = (...args: string[]) => runScript('test/fuzz/run.ts', ...args);

test('npm run fuzz runs what it is told to, under the seed that it is given', async () => {
  const { code, output } = await fuzz('--runs', '50', '--seed', '7', '--only', 'reply', '--only', 'cursor');
  assert.equal(code, 0, output);
  assert.match(output, /seed 7/);
  assert.match(output, /^reply +50 runs/m);
  assert.match(output, /^cursor +50 runs/m);
  assert.doesNotMatch(output, /address/);
});

test('npm run fuzz refuses what it does not know', async () => {
  // Each is a process of its own that loads all targets: one case for each kind of mistake.
  for (const args of [
    ['--run', '5'],
    ['--runs', '0'],
    ['--only', 'replies'],
  ]) {
    const { code, output } = await fuzz(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(output, /Usage: npm run fuzz/);
  }
});
