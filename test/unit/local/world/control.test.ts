import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextIp } from '../../../../local/world/control.ts';

test('the next address goes round the network without its first and last', () => {
  assert.equal(nextIp('203.0.113.10'), '203.0.113.11');
  assert.equal(nextIp('203.0.113.254'), '203.0.113.1');
});
