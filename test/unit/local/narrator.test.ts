import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StackEvent } from '../../../local/events.ts';
import { narrate } from '../../../local/narrator.ts';
import { roundEntry } from '../../support/report-states.ts';

const NAMES = new Map([['u1', 'alder']]);
const text = (event: StackEvent) => narrate(event, NAMES).text;

test('a round lists each consumer with its state, by name where it has one, and why it failed', () => {
  const line = narrate(
    {
      kind: 'round',
      summary: new Map(),
      consumers: [
        { uuid: 'u1', address: '127.0.0.1:1', state: 'alive', lastError: 'timeout' },
        { uuid: 'u2', address: '127.0.0.1:2', state: 'suspect', lastError: 'refused' },
      ],
    },
    NAMES,
  );
  assert.match(line.text, /1 alive, 1 suspect/);
  assert.deepEqual(line.details, ['alder  alive    127.0.0.1:1', 'u2     suspect  127.0.0.1:2 (refused)']);
});

test('a round of nobody, or of more consumers than can be listed, is told by its sums', () => {
  const round = (summary: object) =>
    new Map(
      Object.entries(roundEntry(1, { complete: true, durationMs: 3_000, ...summary })).map(
        ([name, value]) => [name, String(value)],
      ),
    );
  const states = { new: 0, alive: 4_000, suspect: 0, dead: 2 };
  const errors = { timeout: 2 };
  assert.equal(
    text({ kind: 'round', summary: round({ states, errors, probes: 4_002 }) }),
    'round finished; complete, 4,002 calls in 3.0 s, timeout 2; alive 4,000, dead 2',
  );
  assert.equal(
    text({ kind: 'round', summary: round({}), consumers: [] }),
    'round finished; complete, 0 calls in 3.0 s',
  );
  assert.equal(text({ kind: 'round', summary: new Map() }), 'round finished');
});

test('the first address ever seen is told apart from a change', () => {
  assert.match(text({ kind: 'ip-changed', to: '203.0.113.1' }), /the public IP is 203\.0\.113\.1: the first/);
  assert.match(
    text({ kind: 'ip-changed', from: '203.0.113.1', to: '203.0.113.2' }),
    /changed from 203\.0\.113\.1 to 203\.0\.113\.2/,
  );
});

test('a producer that was not told is named with the reason and the time of the next attempt', () => {
  const nextAt = new Date(2026, 0, 2, 3, 4, 5).getTime();
  assert.match(
    text({ kind: 'not-told', uuid: 'u1', lastStatus: 'it answered 503', nextAt }),
    /^alder not told yet \(it answered 503\).*03:04:05$/,
  );
});

test('a candidate is told with its teacher', () => {
  assert.match(
    text({ kind: 'candidate', uuid: 'u2', address: '127.0.0.1:2', from: 'u1' }),
    /^heard of u2 \(127\.0\.0\.1:2\) from alder/,
  );
});
