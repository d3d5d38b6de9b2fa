import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventError } from '../../../lib/errors.ts';
import { parseSyncEvent } from '../../../lib/sync/shard.ts';

const SHARD = { round: 'r-1', at: 1_764_000_000_000, shard: 1, of: 3, depth: 1 };

test('an object without a field of ours is a scheduled run', () => {
  for (const event of [{}, { source: 'aws.events', detail: {} }, { source: 'schedule' }, { version: '0' }]) {
    assert.deepEqual(parseSyncEvent(event), { kind: 'scheduled' });
  }
});

test('what was meant for producer-notify is refused, since it would start a round', () => {
  for (const event of [{ ip: '8.8.8.8' }, { epoch: 5 }, { changed: { ip: '8.8.8.8', epoch: 5 } }]) {
    assert.throws(() => parseSyncEvent(event), EventError);
  }
});

test('a whole shard is a shard', () => {
  assert.deepEqual(parseSyncEvent(SHARD), { kind: 'shard', ...SHARD });
});

test('an event with one field of ours has to be a whole shard', () => {
  for (const field of ['round', 'at', 'shard', 'of', 'depth'] as const) {
    assert.throws(() => parseSyncEvent({ [field]: SHARD[field] }), EventError);
    const { [field]: _, ...rest } = SHARD;
    assert.throws(() => parseSyncEvent(rest), EventError);
  }
});

test('a shard that is out of bounds is refused with the name of the field', () => {
  const bad: [string, unknown][] = [
    ['depth', 0],
    ['depth', 2],
    ['depth', '1'],
    ['shard', 0],
    ['shard', -1],
    ['shard', 1.5],
    ['of', 1],
    ['of', 101],
    ['at', -1],
    ['at', '1764000000000'],
    ['round', ''],
    ['round', 'a b'],
    ['round', 'x'.repeat(129)],
    ['round', 7],
  ];
  for (const [field, value] of bad) {
    assert.throws(
      () => parseSyncEvent({ ...SHARD, [field]: value }),
      (error) => error instanceof EventError && error.message.includes(field),
      `${field} ${value}`,
    );
  }
  assert.throws(() => parseSyncEvent({ ...SHARD, shard: 3 }), EventError);
  assert.throws(() => parseSyncEvent({ ...SHARD, extra: 1 }), EventError);
});

test('what is no object is refused', () => {
  for (const event of [null, undefined, 'x', 7, [], [SHARD]]) {
    assert.throws(() => parseSyncEvent(event), EventError);
  }
});

test('whatever comes in is a scheduled run, a valid shard or an EventError that repeats nothing of it', () => {
  const secret = 'S3CRET';
  fc.assert(
    fc.property(
      fc.oneof(
        fc.anything(),
        fc.record(
          {
            round: fc.anything(),
            at: fc.anything(),
            shard: fc.anything(),
            of: fc.anything(),
            [secret]: fc.anything(),
          },
          { requiredKeys: [] },
        ),
      ),
      (event) => {
        try {
          const parsed = parseSyncEvent(event);
          assert.ok(parsed.kind === 'scheduled' || (parsed.shard < parsed.of && parsed.depth === 1));
        } catch (error) {
          assert.ok(error instanceof EventError);
          assert.ok(!error.message.includes(secret));
        }
      },
    ),
  );
});
