import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Failure, Outcome } from '../../../lib/http/outcome.ts';
import { parseEpoch } from '../../../lib/ip/register.ts';
import { resultOf, retryDelayMs, tellProducer } from '../../../lib/notify/attempt.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import type { PeerRequest } from '../../../lib/peers/post.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import { DAY, HOUR } from '../../support/clock.ts';

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
  assert.deepEqual(read(failed('forbidden', false)), failure('bad-address', { retryInMs: HOUR }));
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
  const lease = { token: 't', claimedAt: 1, leaseLeftMs: () => 30_000 };
  const claimed = { uuid: 'u', rawAddress, ip, epoch, attempts: 0, firstAt: 1, ...lease };
  const { signal } = new AbortController();
  const result = await tellProducer(claimed, () => true, {
    policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
    config: { localUuid, notify: { timeoutMs: 5_000 }, peers: { port: 80 } },
    host: { random: () => 0 },
    nowMs: () => 1,
    signal,
    post: async (request) => {
      requests.push(request);
      return replied(200);
    },
  });
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
    assert.deepEqual(result, failure('bad-address', { retryInMs: HOUR }));
    assert.equal(requests.length, 0);
  }
});

const NOW = 1_800_000_000_000;
const first = { attempts: 1, firstAt: NOW, nowMs: NOW, random: 0 };

const anyFailure = fc.record({
  attempts: fc.nat({ max: 100_000 }),
  firstAt: fc.integer({ min: 0, max: 2 * NOW }),
  nowMs: fc.integer({ min: 0, max: 2 * NOW }),
  retryAfterMs: fc.option(fc.oneof(fc.double(), fc.integer()), { nil: undefined }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

test('30 s, doubling, at most 15 minutes', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7].map((attempts) => retryDelayMs({ ...first, attempts }) / 1_000);
  assert.deepEqual(delays, [30, 60, 120, 240, 480, 900, 900]);
});

test('up to half as much is added at random', () => {
  assert.equal(retryDelayMs({ ...first, random: 0.5 }), 37_500);
  assert.equal(retryDelayMs({ ...first, attempts: 2, random: 1 - Number.EPSILON }), 90_000);
});

test('a day after the first attempt it becomes an hour', () => {
  assert.equal(retryDelayMs({ ...first, attempts: 50, nowMs: NOW + DAY - 1 }), 900_000);
  assert.equal(retryDelayMs({ ...first, attempts: 50, nowMs: NOW + DAY }), HOUR);
});

test('a Retry-After takes its place, within 30 s to an hour', () => {
  const after = (retryAfterMs: number) => retryDelayMs({ ...first, attempts: 9, retryAfterMs });
  assert.equal(after(0), 30_000);
  assert.equal(after(120_000), 120_000);
  assert.equal(after(31_536_000_000), HOUR);
  assert.equal(after(Number.POSITIVE_INFINITY), HOUR);
});

test('whatever happens, the next attempt is due in 30 s to an hour, in whole milliseconds', () => {
  fc.assert(
    fc.property(anyFailure, (any) => {
      const delay = retryDelayMs(any);
      assert.ok(Number.isSafeInteger(delay) && delay >= 30_000 && delay <= HOUR, `${delay}`);
    }),
  );
});

test('without a Retry-After, more attempts never wait less', () => {
  fc.assert(
    fc.property(anyFailure, fc.nat({ max: 1_000 }), (any, more) => {
      const { retryAfterMs: _, ...plain } = any;
      assert.ok(retryDelayMs({ ...plain, attempts: plain.attempts + more }) >= retryDelayMs(plain));
    }),
  );
});
