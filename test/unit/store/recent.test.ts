import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  countFailed,
  isRecent,
  NO_OUTCOMES,
  pushOutcome,
  RECENT_OUTCOMES,
  type RecentOutcome,
  readOutcomes,
} from '../../../lib/store/health-record.ts';

test('the last 60 outcomes are kept, the oldest first, in 20 characters', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom<RecentOutcome>('alive', 'busy', 'failed'), { maxLength: 150 }),
      (outcomes) => {
        const recent = outcomes.reduce(pushOutcome, NO_OUTCOMES);
        assert.equal(recent.length, 20);
        assert.ok(isRecent(recent));
        const kept = outcomes.slice(-RECENT_OUTCOMES);
        assert.deepEqual(readOutcomes(recent), kept);
        assert.equal(countFailed(recent), kept.filter((outcome) => outcome === 'failed').length);
      },
    ),
  );
});

test('a text that is no history has no outcomes, and the next one starts anew', () => {
  for (const text of ['', 'A', '!'.repeat(20), 'A'.repeat(21), 'é'.repeat(20)]) {
    assert.equal(isRecent(text), false);
    assert.deepEqual(readOutcomes(text), []);
    assert.equal(countFailed(text), 0);
    assert.deepEqual(readOutcomes(pushOutcome(text, 'failed')), ['failed']);
  }
});
