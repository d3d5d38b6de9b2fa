import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure, Outcome } from '../../../lib/http/outcome.ts';
import { parseEpoch } from '../../../lib/ip/register.ts';
import { resultOf, tellProducer } from '../../../lib/notify/attempt.ts';
import { HOUR_MS } from '../../../lib/notify/backoff.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import type { PeerRequest } from '../../../lib/peers/post.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';

const replied = (status: number): Outcome => ({
  kind: 'replied',
  status,
  body: Buffer.alloc(0),
  rttMs: 1,
});
const failed = (error: Failure, mayHaveArrived: boolean, status?: number): Outcome => ({
  kind: 'failed',
  error,
  mayHaveArrived,
  rttMs: 1,
  ...(status !== undefined && { status }),
});
const DELIVERY = { attempts: 0, firstAt: 0 };
const read = (outcome: Outcome) => resultOf(outcome, DELIVERY, { nowMs: 0, random: 0 });
const failure = (status: string, { ambiguous = false, retryInMs = 30_000 } = {}) => ({
  kind: 'failed',
  status,
  ambiguous,
  retryInMs,
});
const isAmbiguous = (outcome: Outcome) => {
  const result = read(outcome);
  return result.kind === 'failed' && result.ambiguous;
};

test('2xx is an acknowledgement, any other complete reply a failure', () => {
  for (const status of [200, 204, 299])
    assert.deepEqual(read(replied(status)), { kind: 'acknowledged', status });
  for (const status of [400, 404, 429, 500, 503]) {
    assert.deepEqual(read(replied(status)), failure(String(status)));
  }
});

test("502 and 504 are ambiguous: a gateway's word that it did not hear from the one behind it", () => {
  assert.ok(isAmbiguous(replied(502)));
  assert.ok(isAmbiguous(replied(504)));
});

test('what may have arrived and brought no complete reply is ambiguous', () => {
  for (const error of ['timeout', 'reset', 'oversized', 'malformed', 'aborted', 'local'] as const) {
    assert.ok(isAmbiguous(failed(error, true)), error);
  }
});

test('what cannot have arrived is not ambiguous', () => {
  for (const error of ['refused', 'unreachable', 'timeout', 'reset'] as const) {
    assert.ok(!isAmbiguous(failed(error, false)), error);
  }
});

test('a redirect is a failure and not ambiguous: it is an answer', () => {
  assert.deepEqual(read(failed('redirect', true, 307)), failure('redirect'));
});

test('a call that was aborted before a byte left did not start', () => {
  assert.deepEqual(read(failed('aborted', false)), { kind: 'released' });
});

test('a call that this machine could not make was no attempt', () => {
  assert.deepEqual(read(failed('local', false)), { kind: 'local' });
});

test('an address that the policy refuses at dialling is a bad address, and tried hourly', () => {
  assert.deepEqual(read(failed('forbidden', false)), failure('bad-address', { retryInMs: HOUR_MS }));
});

test('the next attempt comes by the backoff, or when a Retry-After says', () => {
  const again = { attempts: 2, firstAt: 0 };
  const result = resultOf(failed('refused', false), again, { nowMs: 60_000, random: 0 });
  assert.deepEqual(result, failure('refused', { retryInMs: 120_000 }));
  const busy: Outcome = {
    kind: 'replied',
    status: 503,
    body: Buffer.alloc(0),
    rttMs: 1,
    retryAfterMs: 45_000,
  };
  assert.deepEqual(read(busy), failure('503', { retryInMs: 45_000 }));
});

async function attemptAt(rawAddress: string) {
  const requests: PeerRequest[] = [];
  const [ip, localUuid, epoch] = [
    parseIp('203.0.113.7'),
    parseUuid('1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b'),
    parseEpoch(42),
  ];
  assert.ok(ip && localUuid && epoch);
  const claimed = { uuid: 'u', rawAddress, token: 't', epoch, claimedAt: 1, attempts: 0, firstAt: 1 };
  const { signal } = new AbortController();
  const result = await tellProducer(
    claimed,
    { ip, mayStart: () => true },
    {
      policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
      localUuid,
      timeoutMs: 5_000,
      signal,
      nowMs: () => 1,
      random: () => 0,
      post: async (request) => {
        requests.push(request);
        return replied(200);
      },
    },
  );
  return { result, requests };
}

test('one attempt is one POST /ip with uuid, ip and epoch', async () => {
  const { result, requests } = await attemptAt('8.8.8.8');
  assert.deepEqual(result, { kind: 'acknowledged', status: 200 });
  assert.equal(requests.length, 1);
  const [request] = requests;
  assert.equal(request?.address.key, '8.8.8.8:80');
  assert.equal(request?.path, '/ip');
  assert.equal(request?.body, '{"uuid":"1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b","ip":"203.0.113.7"}');
  assert.deepEqual(request?.headers, { 'X-IP-Epoch': '42' });
  assert.equal(request?.timeoutMs, 5_000);
});

test('a bad or forbidden address fails without a request', async () => {
  for (const raw of ['', 'example.org', '127.0.0.1', '169.254.169.254', '8.8.8.8:0']) {
    const { result, requests } = await attemptAt(raw);
    assert.deepEqual(result, failure('bad-address', { retryInMs: HOUR_MS }));
    assert.equal(requests.length, 0);
  }
});
