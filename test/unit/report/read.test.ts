import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseEpoch } from '../../../lib/ip/register.ts';
import { readChanges } from '../../../report/read/changes.ts';
import { readRounds } from '../../../report/read/rounds.ts';

const NOW = 1_764_000_000_000;

const entry = (fields: Readonly<Record<string, string | number>>) => [
  '1-1',
  Object.entries(fields).flatMap(([name, value]) => [name, String(value)]),
];

describe('the history', () => {
  const change = {
    from: '203.0.113.1',
    to: '203.0.113.2',
    epoch: 20,
    at: 20,
    source: 'sources',
    votes: '{"a":"203.0.113.2"}',
  };

  test('is read with its votes and how it was delivered', () => {
    const [read] = readChanges([
      entry({ epoch: 20, told: 3, firstAck: 25, lastAck: 90 }),
      entry({ ...change, verifiedAt: 15 }),
    ]);
    assert.deepEqual(read, {
      from: '203.0.113.1',
      to: '203.0.113.2',
      epoch: 20,
      at: 20,
      manual: false,
      votes: [['a', '203.0.113.2']],
      verifiedAt: 15,
      telling: { told: 3, firstAck: 25, lastAck: 90 },
    });
  });

  test('has how its producers were told from the change after it, and of the newest from the register', () => {
    const next = { ...change, from: change.to, to: '203.0.113.3', epoch: 30, at: 30 };
    const epoch = parseEpoch(30) ?? assert.fail();
    const [newest, before] = readChanges(
      [entry({ ...next, told: 2, of: 3, firstAck: 21, lastAck: 29 }), entry(change)],
      { epoch, told: 1, of: 3, firstAck: 31, lastAck: 31 },
    );
    assert.deepEqual(newest?.telling, { epoch, told: 1, of: 3, firstAck: 31, lastAck: 31 });
    assert.deepEqual(before?.telling, { told: 2, of: 3, firstAck: 21, lastAck: 29 });
  });

  test('has a commit once that died half-way and was repeated: the last', () => {
    const changes = readChanges([entry({ ...change, epoch: 22, at: 22 }), entry(change)]);
    assert.deepEqual(
      changes.map(({ epoch }) => epoch),
      [22],
    );
  });

  test("has the operator's word as often as it was given, and a change that came back", () => {
    const word = { ...change, source: 'manual' };
    assert.equal(readChanges([entry({ ...word, epoch: 21 }), entry(word)]).length, 2);
    const back = { ...change, from: change.to, to: change.from, epoch: 21 };
    assert.equal(readChanges([entry({ ...change, epoch: 22 }), entry(back), entry(change)]).length, 3);
  });

  test('is read whatever stands there', () => {
    assert.deepEqual(
      readChanges([entry({ ...change, to: '\u001b[2J' }), entry({ ...change, at: 'x' }), 7, null]),
      [],
    );
    assert.deepEqual(readChanges([entry({ ...change, votes: '[1' })])[0]?.votes, []);
    const [hostile] = readChanges([entry({ ...change, votes: JSON.stringify({ '\u001b[31m': '\u0007' }) })]);
    assert.deepEqual(hostile?.votes, [['\\u{1b}[31m', '\\u{7}']]);
    fc.assert(
      fc.property(fc.json(), fc.string(), (votes, to) => void readChanges([entry({ ...change, to, votes })])),
    );
  });
});

describe('the rounds', () => {
  const part = (shard: number, more: object = {}) =>
    entry({
      round: 'r',
      shard,
      of: 2,
      at: 1_000,
      summary: JSON.stringify({
        complete: true,
        probes: 5,
        states: { new: 0, alive: 4, suspect: 1, dead: 0 },
        errors: { timeout: 1 },
        durationMs: 10 * (shard + 1),
        ...more,
      }),
    });

  test('are the sums of their shards', () => {
    const [round] = readRounds([part(1), part(0)], NOW);
    assert.equal(round?.complete, true);
    assert.equal(round?.probes, 10);
    assert.deepEqual(round?.states, { new: 0, alive: 8, suspect: 2, dead: 0 });
    assert.deepEqual(round?.errors, { timeout: 2 });
    assert.equal(round?.durationMs, 20);
  });

  test("come newest first, and those of a time before Redis's clock was set back after them", () => {
    const at = (time: number) => entry({ round: `at ${time}`, shard: 0, of: 1, at: time, summary: '{}' });
    const times = [NOW + 7_200_000, NOW - 10, NOW - 5].map(at);
    assert.deepEqual(
      readRounds(times, NOW).map((round) => round.at),
      [NOW - 5, NOW - 10, NOW + 7_200_000],
    );
  });

  test('are not complete while a shard is missing, and count none twice', () => {
    const [round] = readRounds([part(1), part(1)], NOW);
    assert.deepEqual([round?.complete, round?.shards, round?.probes], [false, 1, 5]);
  });

  test('are read whatever stands there, and show no text of it', () => {
    const [hostile] = readRounds(
      [part(0, { errors: { '\u001b[2J': 1 }, states: 'x', probes: -1, stopped: '\u0007' })],
      NOW,
    );
    assert.deepEqual(
      [hostile?.errors, hostile?.probes, hostile?.stopped, hostile?.states.alive],
      [{}, 0, [], 0],
    );
    assert.deepEqual(
      readRounds(
        [
          entry({ round: 'r', shard: 0, of: 0, at: 1, summary: '{}' }),
          entry({ round: 'r', summary: 'x' }),
          3,
        ],
        NOW,
      ),
      [],
    );
    fc.assert(
      fc.property(
        fc.json(),
        (summary) => void readRounds([entry({ round: 'r', shard: 0, of: 1, at: 1, summary })], NOW),
      ),
    );
  });
});
