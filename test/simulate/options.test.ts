import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';

function faultOf(...args: string[]): string {
  const options = readOptions(args);
  assert.ok('fault' in options, `${args.join(' ')} was accepted`);
  return options.fault;
}

test('everything about a scenario can be chosen', () => {
  const args =
    '--nodes 100 --rounds 24 --seed=7 --start mesh --gossip off --loss 2.5 --latency 40 --churn 10 --moves 0 ' +
    '--reuse 25 --partition 30,20 --outage 60,15 --poisoners 3 --max-probes 100 --uplink 80,10 --stall 6 --json';
  assert.deepEqual(readOptions(args.split(' ')), {
    scenario: {
      nodes: 100,
      hours: 2,
      seed: 7,
      start: 'mesh',
      gossip: 'off',
      called: false,
      nat: undefined,
      descriptors: undefined,
      flap: undefined,
      uplink: { from: 80, to: 90 },
      stall: 6,
      loss: 0.025,
      latencyMs: 40,
      churn: 0.1,
      moves: 0,
      reuse: 0.25,
      partition: { from: 30, to: 50 },
      outage: { from: 60, to: 75 },
      poisoners: 3,
      maxProbes: 100,
      spread: false,
    },
    json: true,
    help: false,
  });
});

test('an unknown option and a stray word are errors, not guesses', () => {
  assert.match(faultOf('--node', '5'), /--node/);
  assert.match(faultOf('5'), /5/);
});

test('each value that is out of bounds is named', () => {
  for (const [name, value] of [
    ['--nodes', '1'],
    ['--nodes', '1e3'],
    ['--hours', '0'],
    ['--rounds', '2.5'],
    ['--seed', '-1'],
    ['--start', 'toString'],
    ['--gossip', 'yes'],
    ['--loss', '91'],
    ['--latency', '0'],
    ['--churn', '101'],
    ['--moves', 'x'],
    ['--reuse', '200'],
    ['--partition', '60'],
    ['--outage', '60,0'],
    ['--uplink', '60,'],
    ['--stall', '0'],
    ['--poisoners', 'all'],
    ['--max-probes', '99'],
  ] as const) {
    assert.match(faultOf(`${name}=${value}`), new RegExp(`^${name} must be`), `${name}=${value}`);
  }
});

test('what contradicts itself is refused, and all faults are told at once', () => {
  assert.match(faultOf('--hours', '1', '--rounds', '12'), /--rounds and --hours/);
  assert.match(faultOf('--nodes', '3', '--poisoners', '2'), /--poisoners must leave/);
  assert.match(faultOf('--hours', '1', '--partition', '50,20'), /--partition must end/);
  assert.equal(faultOf('--nodes', 'x', '--loss', 'x', '--gossip', 'x').split('\n').length, 3);
});
