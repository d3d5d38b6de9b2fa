import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { createAlerts, type LookForAlerts } from '../../../host/alerts/alerts.ts';
import { testMessage } from '../../../host/alerts/message.ts';
import { sendMessage } from '../../../host/alerts/send.ts';
import { createHeartbeat } from '../../../host/heartbeat.ts';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { type Epoch, parseEpoch } from '../../../lib/ip/register.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import type { Facts } from '../../../report/facts.ts';
import { readFacts } from '../../../report/facts.ts';
import type { Verdict } from '../../../report/reasons.ts';
import type { Report } from '../../../report/report.ts';
import { MINUTE } from '../../support/clock.ts';
import { closedPort } from '../../support/fake-redis.ts';
import { recordLog, silentLog } from '../../support/log.ts';
import { type RecordedRequest, startPeer } from '../../support/peer-server.ts';
import { redisForSuite } from '../../support/redis.ts';
import { reportParts, seedState } from '../../support/report-states.ts';

const START = Date.now();

/** An operator with a receiver of alerts, which may fail, and a clock that the test moves. */
describe('alerts', async () => {
  const testRedis = redisForSuite();
  /** What the receiver took. */
  const received: RecordedRequest[] = [];
  let status = 200;
  const receiver = await startPeer({ after }, (request) => {
    if (status === 200) received.push(request);
    return { status };
  });
  const url = new URL(`http://${receiver.address}/hook/secret`);

  let facts: Facts;
  let now = START;
  let verdict: Verdict = 'ok';
  let address = { ip: '203.0.113.77', epoch: START - 60 * MINUTE };
  let redisIsAway = false;
  const { log, lines } = recordLog();

  beforeEach(async () => {
    await testRedis().command('FLUSHALL');
    await seedState(testRedis().redis, 'well');
    facts = await readFacts(reportParts(testRedis().redis), 'verdict');
    received.length = 0;
    lines.length = 0;
    status = 200;
    now = START;
    verdict = 'ok';
    address = { ip: '203.0.113.77', epoch: START - 60 * MINUTE };
    redisIsAway = false;
  });

  /** A host process that starts now: it remembers nothing but what Redis holds. */
  function startHost(): LookForAlerts {
    const { redis } = testRedis();
    const parts = reportParts({
      send: async (...request) => {
        if (redisIsAway) throw new RedisUnavailableError('away', { mayHaveRun: false });
        return redis.send(...request);
      },
      close: async () => undefined,
    });
    return createAlerts({
      parts: { ...parts, host: { ...parts.host, monotonicMs: () => now, wallMs: () => now } },
      report: async () => reportNow(),
      send: (message) => sendMessage(url, message),
      log,
    });
  }

  function reportNow(): Report {
    const reason = {
      verdict: 'attention',
      code: 'producers-not-told',
      title: '',
      text: '1 producer not told.',
    } as const;
    const shown = redisIsAway ? 'unknown' : verdict;
    return {
      verdict: shown,
      headline: `it is ${shown}`,
      reasons: shown === 'ok' ? [] : [reason],
      ...(redisIsAway ? {} : { facts: factsNow() }),
    };
  }

  function factsNow(): Facts {
    const epoch: Epoch = parseEpoch(address.epoch) ?? assert.fail();
    const to = parseIp(address.ip) ?? assert.fail();
    return {
      ...facts,
      nowMs: now,
      register: { ...facts.register, current: to, epoch, since: address.epoch },
      changes: [{ to, epoch, at: address.epoch, manual: false, votes: [] }],
    };
  }

  /** Time passes, and the host looks each minute. */
  async function pass(minutes: number, look: LookForAlerts): Promise<void> {
    for (let i = 0; i < minutes; i++) {
      await look();
      now += MINUTE;
    }
    await look();
  }

  const titles = () => received.map(({ body }) => String(JSON.parse(body).title));

  test('tell each change of the verdict once it has lasted a minute, and that all is well again', async () => {
    const look = startHost();
    await pass(5, look);
    assert.deepEqual(titles(), [], 'nothing to tell where all is well');
    verdict = 'attention';
    await look();
    assert.deepEqual(titles(), [], 'it has not lasted yet');
    await pass(10, look);
    assert.deepEqual(titles(), ['ATTENTION: it is attention']);
    verdict = 'ok';
    await pass(10, look);
    assert.deepEqual(titles(), ['ATTENTION: it is attention', 'OK: it is ok']);
  });

  test('do not tell what has passed within a minute', async () => {
    const look = startHost();
    await pass(1, look);
    verdict = 'attention';
    await look();
    now += 30_000;
    verdict = 'ok';
    await pass(5, look);
    assert.deepEqual(titles(), []);
  });

  test('are told once, and not again, however often the host starts', async () => {
    await pass(1, startHost());
    verdict = 'attention';
    for (let i = 0; i < 10; i++) await pass(1, startHost());
    assert.deepEqual(titles(), ['ATTENTION: it is attention']);
    verdict = 'ok';
    for (let i = 0; i < 10; i++) await pass(1, startHost());
    assert.deepEqual(titles(), ['ATTENTION: it is attention', 'OK: it is ok']);
  });

  test('are told although the host never lives for a minute', async () => {
    verdict = 'attention';
    for (let i = 0; i < 6; i++) {
      await startHost()();
      now += 20_000;
    }
    assert.deepEqual(titles(), ['ATTENTION: it is attention']);
  });

  test('are not lost while the receiver fails, also over a restart, and all of it is told in one message', async () => {
    const look = startHost();
    await pass(1, look);
    status = 500;
    verdict = 'attention';
    await pass(20, look);
    verdict = 'ok';
    await pass(20, startHost());
    assert.deepEqual(titles(), []);
    assert.ok(lines.length <= 2, 'the failure is said once for each host');
    assert.doesNotMatch(JSON.stringify(lines), /secret/);
    status = 200;
    await pass(20, startHost());
    assert.deepEqual(titles(), ['OK: it is ok']);
    assert.match(received[0]?.body ?? '', /ATTENTION: it is attention\..*OK: it is ok\./s);
  });

  test('are six an hour at most while the verdict flaps, and the last word is told', async () => {
    const look = startHost();
    for (let i = 0; i < 40; i++) {
      verdict = i % 2 === 0 ? 'attention' : 'ok';
      await pass(3, look);
    }
    const inTwoHours = received.length;
    assert.ok(inTwoHours >= 6 && inTwoHours <= 18, `${inTwoHours} in two hours`);
    verdict = 'unknown';
    await pass(130, look);
    assert.equal(titles().at(-1), 'UNKNOWN: it is unknown');
  });

  test('hold to six in any hour', async () => {
    const look = startHost();
    const times: number[] = [];
    for (let i = 0; i < 60; i++) {
      verdict = i % 2 === 0 ? 'attention' : 'ok';
      const before = received.length;
      await pass(2, look);
      for (let n = before; n < received.length; n++) times.push(now);
    }
    for (const at of times) {
      const within = times.filter((other) => other > at - 60 * MINUTE && other <= at).length;
      assert.ok(within <= 6, `${within} within an hour`);
    }
  });

  test('tell a change of the address at once, and once', async () => {
    const look = startHost();
    await look();
    now += MINUTE;
    address = { ip: '203.0.113.99', epoch: now };
    await look();
    assert.deepEqual(titles(), ['Address changed to 203.0.113.99']);
    await pass(5, startHost());
    assert.equal(received.length, 1);
  });

  test('tell that Redis is away, and that it is back', async () => {
    const look = startHost();
    await pass(1, look);
    redisIsAway = true;
    await pass(5, look);
    assert.deepEqual(titles(), ['UNKNOWN: it is unknown']);
    redisIsAway = false;
    await pass(5, look);
    assert.deepEqual(titles(), ['UNKNOWN: it is unknown', 'OK: it is ok']);
    await pass(5, startHost());
    assert.equal(received.length, 2);
  });

  test('go on from whatever stands in Redis', async () => {
    await testRedis().command('HSET', '{p2p}:alerts', 'state', '{"told":"<script>","queue":7}');
    verdict = 'attention';
    await pass(3, startHost());
    assert.deepEqual(titles(), ['ATTENTION: it is attention']);
    await testRedis().command('DEL', '{p2p}:alerts');
    await testRedis().command('SET', '{p2p}:alerts', 'no hash');
    const look = startHost();
    await pass(10, look);
    assert.equal(received.length, 2, 'what cannot be kept is told all the same, once by each process');
    assert.equal(lines.length, 1);
    assert.equal(await testRedis().command('GET', '{p2p}:alerts'), 'no hash');
  });

  test('say why a receiver cannot be reached', async () => {
    const reasonAt = async (address: string) => {
      const sent = await sendMessage(new URL(`http://${address}/`), testMessage('u', START));
      return sent.ok ? '' : sent.reason;
    };
    assert.equal(await reasonAt(`127.0.0.1:${await closedPort()}`), 'ECONNREFUSED');
    assert.equal(await reasonAt('127.0.0.1:1'), 'bad port', 'one that the fetch standard blocks');
  });

  test('have the fields that receivers look for', async () => {
    await sendMessage(url, testMessage('c0ffee', START));
    const [{ body, headers } = assert.fail()] = received;
    assert.equal(headers['content-type'], 'application/json');
    const fields = JSON.parse(body);
    for (const name of ['title', 'body', 'text', 'content', 'message']) {
      assert.match(String(fields[name]), /test|alerts reach you/i, name);
    }
    assert.ok(fields.content.length <= 2_000);
  });
});

describe('the heartbeat', () => {
  const beatsOf = async (results: Parameters<ReturnType<typeof createHeartbeat>>[0][]) => {
    const beats: string[] = [];
    const heartbeat = createHeartbeat({
      url: new URL('https://beat.example/ping/id?create=1'),
      log: silentLog,
      send: async (to, body) => {
        beats.push(`${to.pathname}${to.search} ${body.trim()}`);
        return { ok: true };
      },
    });
    for (const result of results) heartbeat(result);
    return beats;
  };
  const check = (outcome: 'confirmed' | 'unknown' | 'stale' | 'aborted') =>
    ({
      kind: 'done',
      job: 'ip-check',
      summary: { outcome, ticket: 1, asked: 1, notify: 'not-needed' },
    }) as const;

  test('beats for each check that was recorded, and for no other run', async () => {
    assert.deepEqual(
      await beatsOf([check('confirmed'), check('unknown'), check('stale'), check('aborted')]),
      [
        '/ping/id?create=1 The IP check was recorded: confirmed.',
        '/ping/id?create=1 The IP check was recorded: unknown.',
      ],
    );
  });

  test('says which check failed, and nothing of why that could hold a secret', async () => {
    const error = new RedisUnavailableError('redis://:secret@host', { mayHaveRun: false });
    assert.deepEqual(
      await beatsOf([
        { kind: 'failed', job: 'ip-check', error },
        { kind: 'failed', job: 'sync', error },
      ]),
      ['/ping/id/fail?create=1 The IP check failed: RedisUnavailableError.'],
    );
  });
});
