import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePosition, encodePosition } from '../../../lib/sync/cursor.ts';

const AT = 1_764_000_000_000;

test('a position survives Redis, whatever the cursor looks like', () => {
  for (const cursor of ['0', '7', '18446744073709551615', 'opaque:x/=']) {
    const position = { cursor, passAt: AT - 5 };
    assert.deepEqual(decodePosition(encodePosition(position), AT), position);
  }
});

test('the end of a pass is nothing to go on with', () => {
  assert.equal(encodePosition('end'), '0');
  assert.deepEqual(decodePosition('0', AT), { cursor: '0', passAt: AT });
});

test('what cannot be read, or lies in the future, is a start', () => {
  const start = { cursor: '0', passAt: AT };
  for (const stored of [null, undefined, 7, '', '7', '@', `7@${AT + 1}`, '7@x', '7@-1', [], '7@1@2']) {
    assert.deepEqual(decodePosition(stored, AT), start, String(stored));
  }
  fc.assert(fc.property(fc.anything(), (stored) => decodePosition(stored, AT).passAt <= AT));
});
