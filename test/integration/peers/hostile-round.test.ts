import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createApp } from '../../../lib/app.ts';
import { loadConfig } from '../../../lib/config.ts';
import { systemHost } from '../../../lib/host.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createPostToPeer, MAX_REPLY_BYTES } from '../../../lib/peers/post.ts';
import { HEALTH_ERRORS } from '../../../lib/store/health-record.ts';
import { createKeys } from '../../../lib/store/keys.ts';
import { invocation } from '../../support/clock.ts';
import { NO_ADDRESSES } from '../../support/hostile-addresses.ts';
import { HOSTILE_BEHAVIOURS, startHostile } from '../../support/hostile-server.ts';
import { type LogLine, recordLog } from '../../support/log.ts';
import { startPeer } from '../../support/peer-server.ts';
import { startTestRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';
import { uuidOf } from '../../support/uuids.ts';

const KEYS = createKeys('{p2p}:');
const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
/** Stands in every text of a peer here. */
const MARK = 'owned-by-a-peer';

const hostile = Object.values(NO_ADDRESSES)
  .flat()
  .filter((ip) => typeof ip !== 'bigint' && String(ip).length < 60);
const consumers = (ips: readonly unknown[]) =>
  JSON.stringify({ mark: MARK, consumers: ips.map((ip, n) => ({ uuid: uuidOf(5_000 + n), ip })) });

/** Replies that are whole and in JSON, or nearly. */
const REPLIES: Readonly<Record<string, string | Buffer>> = {
  'a uuid of control characters': JSON.stringify({ uuid: `\u001b[2J${MARK}\r\n` }),
  'a uuid of 60 KB': JSON.stringify({ uuid: MARK.repeat(4_000) }),
  'a huge number': `{"uuid":1e999,"x":"${MARK}"}`,
  'duplicate keys': `{"uuid":"${MARK}","uuid":"${uuidOf(1)}","uuid":"${MARK}"}`,
  'a prototype': `{"__proto__":{"uuid":"${MARK}","consumers":[{"uuid":"${uuidOf(6_000)}","ip":"8.8.8.8"}]}}`,
  'a constructor': `{"constructor":{"prototype":{"consumers":"${MARK}"}},"toString":"${MARK}"}`,
  'wrong types': JSON.stringify({ uuid: [MARK], consumers: { length: 3, 0: MARK } }),
  'wrong types inside': JSON.stringify({ consumers: [null, MARK, [MARK], { uuid: MARK, ip: { MARK } }, 7] }),
  'deep JSON': `{"${MARK}":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
  'JSON that is cut': `{"uuid":"${MARK}`,
  'invalid UTF-8': Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
  HTML: `<script>${MARK}</script>`,
  'every hostile address': consumers(hostile.slice(0, 50)),
  'further hostile addresses': consumers(hostile.slice(50, 100)),
  'a thousand consumers': consumers(Array(900).fill('169.254.169.254')),
};

interface Stage {
  readonly app: ReturnType<typeof createApp>;
  readonly lines: readonly LogLine[];
  readonly peers: ReadonlyMap<string, string>;
  allClosed(): Promise<void>;
  dump(): Promise<string>;
  hash(key: string): Promise<Map<string, string>>;
}

/** The app, every hostile server that there is, and a peer for each hostile reply: uuid → what is wrong with it. */
async function setStage(t: TestContext, key: string): Promise<Stage> {
  const redis = await startTestRedis(t);
  const peers = new Map<string, string>();
  const entries: string[] = [];
  const servers = await Promise.all(HOSTILE_BEHAVIOURS.map((behaviour) => startHostile(t, behaviour)));
  for (const [n, { port }] of servers.entries()) {
    peers.set(uuidOf(100 + n), HOSTILE_BEHAVIOURS[n]?.name ?? '');
    entries.push(uuidOf(100 + n), `127.0.0.1:${port}`);
  }
  for (const [n, [name, body]] of Object.entries(REPLIES).entries()) {
    const peer = await startPeer(t, { body, headers: { 'x-mark': MARK } });
    peers.set(uuidOf(1_000 + n), name);
    entries.push(uuidOf(1_000 + n), peer.address);
  }
  await redis.command('HSET', key, ...entries);

  const { log, lines } = recordLog();
  const app = createApp({
    config: loadConfig({
      LOCAL_UUID,
      REDIS_URL: redis.url,
      PEER_ALLOW_CIDRS: '127.0.0.0/8',
      IP_SOURCES: 'static:203.0.113.7',
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      SYNC_TIMEOUT_MS: '800',
      NOTIFY_TIMEOUT_MS: '800',
      NOTIFY_CONCURRENCY: '256',
    }),
    log,
    invoke: async () => {},
    host: { ...systemHost, sleep: (ms, signal) => systemHost.sleep(Math.min(ms, 5), signal) },
  });
  t.after(() => app.close());

  return {
    app,
    lines,
    peers,
    allClosed: async () => void (await Promise.all(servers.map((server) => server.allClosed()))),
    dump: async () =>
      JSON.stringify([
        await Promise.all(
          [KEYS.health, KEYS.candidates, KEYS.cursor, KEYS.ip, KEYS.deliveries].map(redis.hash),
        ),
        await redis.command('HKEYS', KEYS.consumers),
        await redis.command('XRANGE', KEYS.rounds, '-', '+'),
        await redis.command('XRANGE', KEYS.ipHistory, '-', '+'),
      ]),
    hash: async (name) => new Map(Object.entries(await redis.hash(name))),
  };
}

/** Nothing that a peer wrote may be in what we store, log or answer. */
function assertUnseen(text: string): void {
  for (const part of [MARK, 'owned', '<script', 'SSH-2.0', '169.254', '\\u001b', '\ufffd', 'PRI *']) {
    assert.ok(!text.includes(part), `${part} got through`);
  }
}

test('a round over every hostile server ends, teaches nothing and keeps no text of theirs', {
  timeout: 60_000,
}, async (t) => {
  const stage = await setStage(t, KEYS.consumers);

  const summary = await stage.app.sync({}, invocation());

  assert.equal(summary.complete, true);
  assert.equal(summary.probes, stage.peers.size, 'each was called once');
  await stage.allClosed();
  const health = await stage.hash(KEYS.health);
  assert.deepEqual([...health.keys()].sort(), [...stage.peers.keys()].sort());
  for (const [uuid, json] of health) {
    const { state, lastError } = JSON.parse(json);
    assert.ok(state === 'alive' || HEALTH_ERRORS.includes(lastError), `${stage.peers.get(uuid)}: ${json}`);
    assert.ok(json.length < 250);
  }
  assert.ok(summary.states.suspect > 80 && summary.states.alive > 5);
  assert.equal(summary.learned, 0);
  assert.deepEqual([...(await stage.hash(KEYS.candidates)).keys()], ['secret'], 'no candidate');
  assertUnseen(JSON.stringify([summary, stage.lines]) + (await stage.dump()));
});

test('a delivery to every hostile server ends, and keeps no text of theirs', {
  timeout: 60_000,
}, async (t) => {
  const stage = await setStage(t, KEYS.producers);

  const summary = await stage.app.producerNotify({ ip: '203.0.113.7', id: 'word-1' }, invocation());

  assert.equal(summary.outcome, 'idle');
  assert.equal(summary.claimed, stage.peers.size);
  await stage.allClosed();
  const failed = Object.values(summary.failed).reduce((sum, count) => sum + count, 0);
  assert.ok(failed > 80 && summary.acknowledged > 5);
  assert.equal(failed + summary.acknowledged, stage.peers.size);
  assert.equal(summary.remaining, failed, 'who did not answer is told again');
  const records = await stage.hash(KEYS.deliveries);
  for (const [uuid, json] of records) {
    assert.match(JSON.parse(json).lastStatus, /^(\d{3}|[a-z-]{5,14})$/, stage.peers.get(uuid));
  }
  assertUnseen(JSON.stringify([summary, stage.lines]) + (await stage.dump()));
});

/** A server, in a process of its own, that sends without end whatever it is asked. */
const FLOOD = `
import { createServer } from 'node:net';
const block = Buffer.alloc(65536, 'x');
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 200 OK\\r\\n\\r\\n');
  const pour = () => { while (!socket.destroyed && socket.write(block)); };
  socket.on('drain', pour).on('data', pour);
});
server.listen(0, '127.0.0.1', 1024, () => console.log(server.address().port));
`;

test('two hundred endless replies at once take no more memory than their caps', async (t) => {
  const CALLS = 200;
  const port = await runModule(t, FLOOD).firstLine;
  const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.1/32')] });
  const post = createPostToPeer({ policy });
  const parsed = policy.parse(`127.0.0.1:${port}`);
  assert.ok('address' in parsed);
  const { address } = parsed;
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  let peak = 0;
  const sampling = setInterval(() => {
    peak = Math.max(peak, used() - before);
  }, 2);
  t.after(() => clearInterval(sampling));

  const outcomes = await Promise.all(
    Array.from({ length: CALLS }, () => post({ address, path: '/sync', body: '{}', timeoutMs: 20_000 })),
  );

  assert.ok(outcomes.every((outcome) => outcome.kind === 'failed' && outcome.error === 'oversized'));
  assert.ok(peak > 0, 'samples were taken');
  // What is kept of a body, the read that went over, and as much again that is not yet cleared away.
  const most = CALLS * 2 * (MAX_REPLY_BYTES + 65_536) + 30_000_000;
  assert.ok(peak < most, `${Math.round(peak / 1e6)} MB of at most ${Math.round(most / 1e6)}`);
});
