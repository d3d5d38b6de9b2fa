import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure, Outcome } from '../../../lib/http/outcome.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';

import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import { readAnswer, resultFor } from '../../../lib/sync/outcome.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const A = parseUuid('10000000-0000-4000-8000-00000000000a') as Uuid;
const B = parseUuid('10000000-0000-4000-8000-00000000000b') as Uuid;

function replied(status: number, body: unknown = '', retryAfterMs?: number): Outcome {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    kind: 'replied',
    status,
    body: Buffer.from(text),
    rttMs: 5,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function resultOf(outcome: Outcome, uuid = A) {
  const answer = readAnswer(outcome, policy);
  return answer.kind === 'unprobed' ? 'unprobed' : resultFor(answer, uuid);
}

test('2xx is alive, whatever its body', () => {
  for (const [status, body] of [
    [200, ''],
    [204, 'x'],
    [299, '{"uuid":'],
    [201, []],
  ] as const) {
    assert.deepEqual(resultOf(replied(status, body)), { kind: 'alive', rttMs: 5 });
  }
});

test('429 and 503 are alive and busy', () => {
  assert.deepEqual(resultOf(replied(503)), { kind: 'busy', rttMs: 5 });
  assert.deepEqual(resultOf(replied(429, '', 7_000)), { kind: 'busy', rttMs: 5, retryAfterMs: 7_000 });
});

test('any other status is a failure', () => {
  for (const status of [101, 199, 400, 404, 500, 502, 504, 599]) {
    assert.deepEqual(resultOf(replied(status, { uuid: A })), { kind: 'failed', error: 'status' });
  }
});

test('a failed call keeps its class, and an aborted one says nothing', () => {
  const failed = (error: Failure): Outcome => ({
    kind: 'failed',
    error,
    mayHaveArrived: false,
    rttMs: 1,
  });
  assert.deepEqual(resultOf(failed('reset')), { kind: 'failed', error: 'reset' });
  assert.deepEqual(resultOf(failed('forbidden')), { kind: 'failed', error: 'forbidden' });
  assert.equal(resultOf(failed('aborted')), 'unprobed');
});

test('who names another uuid, or one that is none, is not whom we expected', () => {
  assert.deepEqual(resultOf(replied(200, { uuid: A })), { kind: 'alive', rttMs: 5 });
  assert.deepEqual(resultOf(replied(200, { uuid: A.toUpperCase() })), { kind: 'alive', rttMs: 5 });
  for (const uuid of [B, 'x', 7, {}]) {
    assert.deepEqual(resultOf(replied(200, { uuid })), { kind: 'failed', error: 'wrong-identity' });
    assert.deepEqual(resultOf(replied(503, { uuid })), { kind: 'failed', error: 'wrong-identity' });
  }
});
