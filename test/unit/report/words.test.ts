import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StopReason } from '../../../lib/sync/summary.ts';
import type { Round } from '../../../report/read/rounds.ts';
import {
  aliveWords,
  mirrorWords,
  outdatedMirrorWords,
  roundWords,
  silenceWords,
  unknownChecksWords,
} from '../../../report/words.ts';
import { roundRead } from '../../support/report-states.ts';

const round = (change: Partial<Round> = {}) =>
  roundRead({ states: { new: 0, alive: 9, suspect: 0, dead: 1 }, introducing: 0, ...change });

test('it is said that none of those who answer introduces others', () => {
  assert.match(silenceWords([round()]) ?? '', /^none of the 9 that answer introduces others/);
});

test('it is not said while somebody does, where few answer, and of a round that tells nothing', () => {
  const { introducing, ...before } = round();
  for (const rounds of [
    [round({ introducing: 1 })],
    [round({ states: { new: 0, alive: 2, suspect: 0, dead: 0 } })],
    [round({ complete: false }), round({ introducing: 1 })],
    [before],
    [],
  ]) {
    assert.equal(silenceWords(rounds), undefined);
  }
  assert.equal(introducing, 0);
});

test('consumers that were not asked are not counted with those that are not alive', () => {
  const none = { alive: 0, suspect: 0, dead: 0, new: 0, unknown: 0, unusable: 0 };
  const words = (known: number, states: Partial<typeof none>) =>
    aliveWords({
      known,
      states: { ...none, ...states },
      heardOf: 0,
      refused: {},
      worst: [],
      unusable: [],
    });
  assert.equal(words(6, { alive: 5, dead: 1 }), '5 of 6 consumers alive');
  assert.equal(
    words(20_001, { alive: 700, dead: 300, unknown: 19_001 }),
    '700 of 1,000 asked consumers alive',
  );
});

test('a round says in words why it ended early', () => {
  const words = (...stopped: StopReason[]) => roundWords(round({ complete: false, stopped }));
  assert.equal(words('time', 'error'), 'unfinished (out of time, Redis failed it), 3 calls in 1.0 s');
  assert.equal(words('budget'), 'at its limit of calls, 3 calls in 1.0 s');
  assert.equal(words(), 'unfinished, 3 calls in 1.0 s');
});

test('what peers said before the address changed, or long ago, is not about now', () => {
  const mirror = { at: 100_000, here: 0, elsewhere: 6, reached: 6, unreached: 0 };
  const words = (since: number, nowMs: number) =>
    outdatedMirrorWords({ mirror, register: { since }, nowMs, syncEveryMs: 60_000 });
  assert.equal(words(100_000, 160_000), undefined);
  assert.equal(words(100_001, 160_000), 'peers were asked 60 s ago, before the address changed');
  assert.equal(words(100_000, 700_000), 'peers were asked 10 min ago');
});

test('one check that found nothing out is the last one, and several are a row', () => {
  assert.equal(unknownChecksWords(1), 'the last check found nothing out');
  assert.equal(unknownChecksWords(13), '13 checks in a row found nothing out');
});

test('what peers say about us is a sentence for one peer and for many', () => {
  const words = (voices: number) =>
    mirrorWords({ at: 0, here: voices, elsewhere: 0, reached: voices, unreached: 0 }, '203.0.113.9');
  assert.deepEqual(words(1), [
    '1 of 1 peer sees our calls come from 203.0.113.9',
    '1 of 1 peer reaches our consumer API',
  ]);
  assert.deepEqual(words(2), [
    '2 of 2 peers see our calls come from 203.0.113.9',
    '2 of 2 peers reach our consumer API',
  ]);
  assert.deepEqual(words(0), []);
});
