import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from '../../../bench/options.ts';

const NAMES = ['round', 'notify'];
const DEFAULTS = { json: false, list: false, all: false, strict: false, help: false, only: [] };

function faultOf(args: readonly string[]): string {
  const options = readOptions(args, NAMES);
  assert.ok('fault' in options, `${args.join(' ')} was accepted`);
  return options.fault;
}

test('without options all short rows run, and missed targets are no failure', () => {
  assert.deepEqual({ ...readOptions([], NAMES) }, DEFAULTS);
});

test('rows are chosen by name, one or several', () => {
  assert.deepEqual(
    { ...readOptions(['--only', 'round', '--only=notify', '--json'], NAMES) },
    {
      ...DEFAULTS,
      json: true,
      only: ['round', 'notify'],
    },
  );
});

test('an unknown option, a stray word and an unknown row are errors, not guesses', () => {
  assert.match(faultOf(['--jason']), /--jason/);
  assert.match(faultOf(['round']), /round/);
  assert.match(faultOf(['--only']), /--only/);
  assert.match(faultOf(['--only', 'rounds']), /no row rounds\. The rows are round, notify\./);
});
