import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure, Outcome } from '../../../lib/http/outcome.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';

import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import { readAnswer, resultFor } from '../../../lib/sync/answer.ts';

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

function resultOf(outcome: Outcome, { uuid = A, namedBefore = false } = {}) {
  const answer = readAnswer(outcome, policy);
  return answer.kind === 'untried' ? answer : resultFor(answer, uuid, namedBefore);
}

const ALIVE = { kind: 'alive', rttMs: 5, named: false };
const NAMED = { kind: 'alive', rttMs: 5, named: true };
const WRONG = { kind: 'failed', error: 'wrong-identity' };
const STATUS = { kind: 'failed', error: 'status' };

test('2xx is alive, whatever its body', () => {
  for (const [status, body] of [
    [200, ''],
    [204, 'x'],
    [299, '{"uuid":'],
    [201, []],
  ] as const) {
    assert.deepEqual(resultOf(replied(status, body)), ALIVE);
  }
});

test('429 is alive and busy', () => {
  assert.deepEqual(resultOf(replied(429)), { kind: 'busy', rttMs: 5, named: false });
  assert.deepEqual(resultOf(replied(429, '', 7_000)), {
    kind: 'busy',
    rttMs: 5,
    named: false,
    retryAfterMs: 7_000,
  });
});

test('503 is alive only with a Retry-After or the right uuid: a proxy without its backend says it too', () => {
  assert.deepEqual(resultOf(replied(503)), STATUS);
  assert.deepEqual(resultOf(replied(503, 'no backend')), STATUS);
  assert.deepEqual(resultOf(replied(503, { uuid: A })), { kind: 'busy', rttMs: 5, named: true });
  assert.deepEqual(resultOf(replied(503, '', 7_000)), {
    kind: 'busy',
    rttMs: 5,
    named: false,
    retryAfterMs: 7_000,
  });
});

test('one that has named itself before must do so again, unless it is too busy', () => {
  assert.deepEqual(resultOf(replied(200), { namedBefore: true }), WRONG);
  assert.deepEqual(resultOf(replied(200, { consumers: [] }), { namedBefore: true }), WRONG);
  assert.deepEqual(resultOf(replied(200, { uuid: A }), { namedBefore: true }), NAMED);
  assert.equal(resultOf(replied(429), { namedBefore: true }).kind, 'busy');
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
  assert.deepEqual(resultOf(failed('aborted')), { kind: 'untried', local: false });
  assert.deepEqual(resultOf(failed('local')), { kind: 'untried', local: true }, 'our own trouble');
});

test('who names another uuid, or one that is none, is not whom we expected', () => {
  assert.deepEqual(resultOf(replied(200, { uuid: A })), NAMED);
  assert.deepEqual(resultOf(replied(200, { uuid: A.toUpperCase() })), NAMED);
  for (const uuid of [B, 'x', 7, {}]) {
    assert.deepEqual(resultOf(replied(200, { uuid })), { kind: 'failed', error: 'wrong-identity' });
    assert.deepEqual(resultOf(replied(503, { uuid })), { kind: 'failed', error: 'wrong-identity' });
  }
});
