import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrorWords } from '../../../report/words.ts';

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
