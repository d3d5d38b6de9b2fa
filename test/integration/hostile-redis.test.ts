import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { Redis as Connection } from 'ioredis';
import { type App, createApp } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import { systemHost } from '../../lib/host.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { invocation } from '../support/clock.ts';
import { type LogLine, recordLog } from '../support/log.ts';
import { type Peer, startPeer } from '../support/peer-server.ts';
import { needsRealRedis, startTestRedis, type TestRedis } from '../support/redis.ts';
import { uuidOf } from '../support/uuids.ts';

const KEYS = createKeys('{p2p}:');
const MEBIBYTE = 1_048_576;
/** Is in every text here that nobody may see again. */
const MARK = 'bytes-of-a-stranger';

/** Values that are no address, each with bytes that must not get anywhere. */
const BAD_VALUES: readonly Buffer[] = [
  `${MARK}`,
  '',
  ' ',
  `${MARK}${'x'.repeat(MEBIBYTE)}`,
  `8.8.8.8\r\nhost: ${MARK}`,
  `\u001b[2J\u001b]0;${MARK}\u0007`,
  `{"ip":"${MARK}"}`,
  `<script>${MARK}</script>`,
  `\u202e${MARK}\u0000`,
  '169.254.169.254',
  '10.0.0.1:6379',
  'unix:/var/run/docker.sock',
  `http://${MARK}/`,
]
  .map((text) => Buffer.from(text))
  .concat([Buffer.from([0xff, 0xfe, 0xc3, 0x28]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.alloc(200)]);

/** Fields that are no uuid. */
const BAD_FIELDS: readonly Buffer[] = [
  `${MARK}`,
  '',
  `${uuidOf(1)}\n`,
  `${MARK}${'x'.repeat(MEBIBYTE)}`,
  `\u001b[31m${MARK}`,
  '__proto__',
  'constructor',
  '00000000000000000000000000000000',
]
  .map((text) => Buffer.from(text))
  .concat([Buffer.from([0xff, 0x00, 0xfe]), Buffer.concat([Buffer.from(uuidOf(2)), Buffer.from([0xff])])]);

/** So many further entries without meaning. */
const MANY = 5_000;

interface Stage {
  readonly app: App;
  readonly test: TestRedis;
  readonly connection: Connection;
  readonly lines: readonly LogLine[];
  /** The one usable consumer and the one usable producer. */
  readonly peer: Peer;
}

/** The app in front of a Redis whose `consumers` and `producers` hold one usable entry among everything else. */
async function setStage(t: TestContext, transport: 'tcp' | 'rest'): Promise<Stage> {
  const redis = await startTestRedis(t, { engine: 'real', transport });
  const peer = await startPeer(t);
  const connection = new Connection(redis.tcpUrl);
  t.after(async () => connection.disconnect());
  for (const key of [KEYS.consumers, KEYS.producers]) {
    const entries: (string | Buffer)[] = [uuidOf(0), peer.address];
    for (const [n, value] of BAD_VALUES.entries()) entries.push(uuidOf(100 + n), value);
    for (const field of BAD_FIELDS) entries.push(field, peer.address);
    for (let n = 0; n < MANY; n++) entries.push(`${MARK}-${n}`, `${MARK}-${n}`);
    await connection.call('HSET', key, ...entries);
  }
  const { log, lines } = recordLog();
  const app = createApp({
    config: loadConfig({
      LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
      REDIS_URL: redis.url,
      REDIS_TOKEN: redis.token,
      PEER_ALLOW_CIDRS: '127.0.0.1/32',
      IP_SOURCES: 'static:203.0.113.7',
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      PRODUCER_NOTIFY_FUNCTION: 'producer-notify',
    }),
    log,
    invoke: async () => {},
    // The second look at a new address comes at once.
    host: { ...systemHost, sleep: (ms, signal) => systemHost.sleep(Math.min(ms, 5), signal) },
  });
  t.after(() => app.close());
  return { app, test: redis, connection, lines, peer };
}

/** A fingerprint of every byte in a hash, whatever its order. */
async function fingerprint({ connection }: Stage, key: string): Promise<string> {
  const flat = (await connection.callBuffer('HGETALL', key)) as Buffer[];
  const entries = flat.flatMap((field, i) => (i % 2 === 0 ? [[field, flat[i + 1] ?? ''] as const] : []));
  const hashes = entries.map(([field, value]) =>
    createHash('sha256').update(field).update('\0').update(value).digest('hex'),
  );
  return hashes.sort().join();
}

/** Everything that we wrote: the keys that are not the API's, as text. */
async function ours({ connection }: Stage): Promise<string> {
  const written = [
    await connection.call('HGETALL', KEYS.health),
    await connection.call('HGETALL', KEYS.candidates),
    await connection.call('HGETALL', KEYS.cursor),
    await connection.call('XRANGE', KEYS.rounds, '-', '+'),
    await connection.call('HGETALL', KEYS.ip),
    await connection.call('XRANGE', KEYS.ipHistory, '-', '+'),
    await connection.call('HGETALL', KEYS.deliveries),
  ];
  return JSON.stringify(written);
}

function assertUnseen(text: string): void {
  for (const part of [MARK, '\u001b', '\ufffd', 'docker', '169.254', '\\u0000', '\\u001b', '\\u202e']) {
    assert.ok(!text.includes(part), `${JSON.stringify(part)} got through`);
  }
}

const warnings = ({ lines }: Stage) => lines.filter(({ level }) => level !== 'debug' && level !== 'info');

for (const transport of ['tcp', 'rest'] as const) {
  const options = { ...needsRealRedis(), timeout: 60_000 };

  test(`sync skips, counts and leaves alone whatever consumers holds (${transport})`, options, async (t) => {
    const stage = await setStage(t, transport);
    const before = await fingerprint(stage, KEYS.consumers);

    const summary = await stage.app.sync({}, invocation());

    assert.equal(summary.complete, true);
    assert.deepEqual(summary.states, { new: 0, alive: 1, suspect: 0, dead: 0 });
    const { 'not-a-uuid': fields = 0, ...values } = summary.skipped;
    assert.equal(fields, BAD_FIELDS.length + MANY);
    assert.equal(
      Object.values(values).reduce((sum, count) => sum + count, 0),
      BAD_VALUES.length,
    );
    assert.equal(stage.peer.requests.length, 1);
    assert.equal(warnings(stage).length, 1, 'one line a round');
    assert.equal(await fingerprint(stage, KEYS.consumers), before, 'nothing of it was touched');
    assertUnseen(JSON.stringify([summary, stage.lines]) + (await ours(stage)));
  });

  test(`ip-check and producer-notify do the same with producers (${transport})`, options, async (t) => {
    const stage = await setStage(t, transport);
    const before = await fingerprint(stage, KEYS.producers);

    const check = await stage.app.ipCheck({}, invocation());
    const notify = await stage.app.producerNotify(
      { changed: { ip: check.ip, epoch: check.epoch } },
      invocation(),
    );

    assert.equal(check.outcome, 'changed');
    assert.equal(check.commit?.due, 1 + BAD_VALUES.length);
    assert.equal(check.commit?.skipped, BAD_FIELDS.length + MANY);
    assert.equal(warnings(stage).length, 1, 'one line a change');
    assert.equal(notify.acknowledged, 1);
    assert.equal((notify.failed['bad-address'] ?? 0) + notify.unusable, BAD_VALUES.length);
    assert.equal(notify.remaining, BAD_VALUES.length, 'they are tried again, in case the API mends them');
    assert.equal(stage.peer.requests.length, 1);
    assert.equal(await fingerprint(stage, KEYS.producers), before, 'nothing of it was touched');
    assertUnseen(JSON.stringify([check, notify, stage.lines]) + (await ours(stage)));
  });
}

test('our own records may hold the same, and are overwritten', needsRealRedis(), async (t) => {
  const stage = await setStage(t, 'tcp');
  const { connection, app } = stage;
  for (const [n, value] of BAD_VALUES.entries()) {
    await connection.call('HSET', KEYS.health, n === 0 ? uuidOf(0) : uuidOf(500 + n), value);
    await connection.call('HSET', KEYS.candidates, uuidOf(600 + n), value);
    await connection.call('HSET', KEYS.deliveries, uuidOf(n), value);
    await connection.call('HSET', KEYS.cursor, n === 0 ? '0/1' : n === 1 ? 'health' : `${n}/100`, value);
    await connection.call(
      'HSET',
      KEYS.ip,
      ['current', 'epoch', 'previous', 'ticket'][n] ?? `field-${n}`,
      value,
    );
  }
  for (const field of BAD_FIELDS) await connection.call('HSET', KEYS.candidates, field, MARK);

  const round = await app.sync({}, invocation());
  const check = await app.ipCheck({}, invocation());
  const notify = await app.producerNotify({}, invocation());

  assert.equal(round.complete, true);
  assert.equal(round.states.alive, 1);
  assert.equal(check.outcome, 'changed');
  assert.equal(notify.acknowledged, 1);
  assert.equal(round.candidateProbes, 0);
  assert.deepEqual(await connection.call('HKEYS', KEYS.candidates), ['secret'], 'what is no slot goes');
  assert.equal(await connection.call('HLEN', KEYS.health), 1, 'what nobody in consumers belongs to goes');
  assertUnseen(JSON.stringify([round, check, notify, stage.lines]));
});
