import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { systemHost } from '../../../lib/host.ts';
import type { PostToPeer } from '../../../lib/peers/post.ts';
import { encodeHealth, type HealthRecord, NO_OUTCOMES } from '../../../lib/store/health-record.ts';
import { DAY, HOUR, MINUTE, SECOND, withTime } from '../../support/clock.ts';
import { type Fields, redisForSuite } from '../../support/redis.ts';
import { roundEntry } from '../../support/report-states.ts';
import { type Said, sourceSaying } from '../../support/sources.ts';
import { withReplies } from '../../support/tampered-redis.ts';
import { ip } from '../../support/votes.ts';
import { KEYS, LOCAL_UUID, p2p } from './harness.ts';

const PAGE = new URL('../../../docs/OPERATING.md', import.meta.url);
const PROMPT = '$ npm run p2p -- ';

const NOW = Date.UTC(2026, 10, 24, 10, 0, 0);
const CHANGED = NOW - 26 * MINUTE;
const BEFORE = NOW - 9 * DAY;

/** What the page tells of: five consumers and three producers, one of which does not take the new address. */
describe('the examples of docs/OPERATING.md', () => {
  const testRedis = redisForSuite();

  before(async () => {
    const { put, append, command } = testRedis();
    const health = (record: Omit<HealthRecord, 'recent'>) => encodeHealth({ ...record, recent: NO_OUTCOMES });
    const round = (at: number, summary: object) =>
      append(KEYS.rounds, roundEntry(at, { complete: true, ...summary }));
    const seen = NOW - 2 * MINUTE;

    await command('SET', KEYS.uuid, LOCAL_UUID);
    await put(KEYS.ip, {
      current: '203.0.113.77',
      previous: '203.0.113.10',
      epoch: CHANGED,
      since: CHANGED,
      checkedAt: NOW - 41 * SECOND,
      verifiedAt: NOW - 41 * SECOND,
      answering: 3,
      told: 2,
      firstAck: CHANGED + 64,
      lastAck: CHANGED + 1_310,
    });
    await put(KEYS.consumers, {
      '7d444840-9dc0-41d1-b245-5ffdce74fad2': '198.51.100.7',
      '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b': '198.51.100.23:8080',
      'c56a4180-65aa-42ec-a945-5fd21dec0538': '198.51.100.90',
      'e4eaaaf2-d142-41b3-b3b4-1a2b3c4d5e6f': '198.51.100.41',
      '6fa459ea-ee8a-4ca4-894e-db77e160355e': '192.168.1.20',
    });
    await put(KEYS.health, {
      '7d444840-9dc0-41d1-b245-5ffdce74fad2': health({
        state: 'alive',
        address: '198.51.100.7:80',
        since: NOW - 12 * DAY,
        lastOk: seen,
        rtt: 31,
      }),
      '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b': health({
        state: 'alive',
        address: '198.51.100.23:8080',
        since: NOW - 3 * HOUR,
        lastOk: seen,
        lastError: 'timeout',
        lastFail: NOW - 4 * HOUR,
        rtt: 88,
      }),
      'c56a4180-65aa-42ec-a945-5fd21dec0538': health({
        state: 'suspect',
        address: '198.51.100.90:80',
        since: seen,
        lastOk: NOW - 7 * MINUTE,
        lastError: 'refused',
        lastFail: seen,
        fails: 1,
        counted: 1,
      }),
      'e4eaaaf2-d142-41b3-b3b4-1a2b3c4d5e6f': health({
        state: 'dead',
        address: '198.51.100.41:80',
        since: NOW - 3 * DAY,
        lastOk: NOW - 3 * DAY - HOUR,
        lastError: 'wrong-identity',
        lastFail: NOW - 22 * MINUTE,
        fails: 40,
        counted: 40,
        due: NOW + 34 * MINUTE,
      }),
    });
    await put(KEYS.producers, {
      '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55': '198.51.100.9:8080',
      '2c1d43b8-e6d7-476e-af0a-7ba2c9d1e5f0': '198.51.100.61',
      'f47ac10b-58cc-4372-a567-0e02b2c3d479': '198.51.100.144',
    });
    await put(KEYS.deliveries, {
      '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55': JSON.stringify({
        ackedEpoch: CHANGED,
        ackedAt: CHANGED + 64,
        leaseEpoch: CHANGED,
        lastStatus: '200',
      }),
      '2c1d43b8-e6d7-476e-af0a-7ba2c9d1e5f0': JSON.stringify({
        ackedEpoch: CHANGED,
        ackedAt: CHANGED + 1_310,
        leaseEpoch: CHANGED,
        lastStatus: '204',
      }),
      'f47ac10b-58cc-4372-a567-0e02b2c3d479': JSON.stringify({
        ackedEpoch: BEFORE,
        ackedAt: BEFORE + 2_400,
        leaseEpoch: CHANGED,
        attempts: 6,
        firstAt: CHANGED,
        lastStatus: '503',
      }),
    });
    await command('ZADD', KEYS.due, NOW + 4 * MINUTE, 'f47ac10b-58cc-4372-a567-0e02b2c3d479');
    const votes = (ip: string) =>
      JSON.stringify({ 'checkip.global.api.aws': ip, 'icanhazip.com': ip, 'ident.me': 'timeout' });
    const change = (from: string, to: string, at: number, more: Fields) =>
      append(KEYS.ipHistory, { from, to, epoch: at, at, source: 'sources', votes: votes(to), ...more });
    await change('203.0.113.4', '203.0.113.10', BEFORE, { verifiedAt: BEFORE - 62_000 });
    const telling = { told: 3, of: 3, firstAck: BEFORE + 51, lastAck: BEFORE + 2_400 };
    await change('203.0.113.10', '203.0.113.77', CHANGED, { verifiedAt: CHANGED - 58_000, ...telling });
    await round(NOW - 7 * MINUTE, { probes: 3, durationMs: 412 });
    await round(seen, { probes: 3, errors: { refused: 1 }, durationMs: 388 });
  });

  /** The real Redis at the hour of the example, set up as an operator has it. */
  const redisThen = () =>
    withReplies(
      withTime(testRedis().redis, () => NOW),
      ([name], reply) => {
        if (name === 'INFO') return 'redis_version:7.0.15\r\naof_enabled:1\r\n';
        return name === 'CONFIG' ? ['maxmemory-policy', 'noeviction'] : reply;
      },
    );

  /** Time passes only where a source answers, so that every figure of the page is always the same. */
  let passedMs = 0;
  const source = (operator: string, answer: Said, tookMs: number) =>
    sourceSaying(operator, async () => {
      // The one that takes longer answers later, without waiting.
      for (let turn = 0; turn < tookMs; turn++) await null;
      passedMs = tookMs;
      return answer;
    });
  const post: PostToPeer = async () => ({
    kind: 'replied',
    status: 200,
    body: Buffer.from(JSON.stringify({ uuid: LOCAL_UUID })),
    rttMs: 5,
  });
  const env = {
    LOCAL_UUID,
    REDIS_URL: 'rediss://redis.example:6379',
    PEER_ALLOW_CIDRS: '198.51.100.0/24,203.0.113.0/24',
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    // What the gateway of this machine says is this machine's.
    IP_HINTS: 'none',
  };
  const run = async (command: string) => {
    passedMs = 0;
    const host = { ...systemHost, monotonicMs: () => passedMs, wallMs: () => NOW };
    const sources = [
      source('checkip.global.api.aws', ip('203.0.113.77'), 64),
      source('icanhazip.com', ip('203.0.113.77'), 71),
      source('ident.me', 'timeout', 3_000),
    ];
    const { out } = await p2p(command.split(' '), {
      env,
      brought: { redis: redisThen(), sources, post, host },
    });
    return out.replace(/scheduler \S+, Node \S+$/m, 'scheduler 0.1.0, Node 24.21.0');
  };

  const examples = readFileSync(PAGE, 'utf8')
    .split('```')
    .filter((_, i) => i % 2 === 1)
    .flatMap((block) => {
      const at = block.indexOf(PROMPT);
      const [first = '', ...rest] = at < 0 ? [] : block.slice(at + PROMPT.length).split('\n');
      return at < 0 ? [] : [{ command: first, shown: rest.join('\n') }];
    });

  for (const { command, shown } of examples) {
    test(`p2p ${command} prints what the page shows`, async () => {
      assert.equal(await run(command), shown);
    });
  }

  test('show the commands that look', () => {
    assert.deepEqual(
      examples.map(({ command }) => command),
      ['doctor', 'status', 'consumers', 'producers', 'history'],
    );
  });
});
