import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { describe, test } from 'node:test';
import { type PageServer, servePage } from '../../../page/server.ts';
import { type Report, readReport } from '../../../report/report.ts';
import { createReporter } from '../../../report/reporter.ts';
import { countingRedis } from '../../support/counting-redis.ts';
import type { Owner } from '../../support/owner.ts';
import { startPeer } from '../../support/peer-server.ts';
import { redisForSuite } from '../../support/redis.ts';
import {
  HOSTILE,
  OWN_UUID,
  REPORT_STATES,
  reportParts,
  roundEntry,
  seedState,
} from '../../support/report-states.ts';

const TOKEN = 'a-token-of-the-page';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly agent?: Agent;
}

/** One request, with whatever Host header a test wants. */
function ask(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body, agent }: Asking = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, url), { method, headers, agent: agent ?? false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the page', () => {
  const testRedis = redisForSuite();
  const open = async (report: () => Promise<Report>, t: Owner, token?: string): Promise<PageServer> => {
    const server = await servePage({ address: '127.0.0.1', port: 0 }, { report, token, wallMs: Date.now });
    t.after(() => server.close());
    return server;
  };
  const seeded = async (state: (typeof REPORT_STATES)[number], consumers?: number) => {
    await testRedis().command('FLUSHALL');
    await seedState(testRedis().redis, state, consumers === undefined ? {} : { consumers });
  };

  test('answers with the verdict, JSON, metrics, an icon and health, all of the same report', async (t) => {
    await seeded('untold');
    const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t);
    const page = await ask(url, '/');
    assert.equal(page.status, 200);
    assert.match(page.body, /<h1>ATTENTION<\/h1>/);
    assert.equal(page.headers.refresh, '15');
    const json = JSON.parse((await ask(url, '/status.json')).body);
    assert.equal(json.verdict, 'attention');
    assert.deepEqual(
      json.reasons.map(({ code }: { code: string }) => code),
      ['producers-not-told'],
    );
    assert.match((await ask(url, '/metrics')).body, /^p2p_verdict\{verdict="attention"\} 1$/m);
    assert.match((await ask(url, '/icon.svg')).body, /^<svg /);
    assert.equal((await ask(url, '/healthz')).status, 200);
    assert.equal((await ask(url, '/other')).status, 404);
    assert.equal((await ask(url, '/', { method: 'POST' })).status, 405);
    assert.equal((await ask(url, '/?still')).headers.refresh, undefined, 'a reader may hold it still');
    assert.equal((await ask(url, '/', { method: 'HEAD' })).body, '');
  });

  test('is not healthy where checks have stopped, or Redis cannot be asked', async (t) => {
    await seeded('stale');
    const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t);
    assert.equal((await ask(url, '/healthz')).status, 503);
    const away: Report = { verdict: 'unknown', reasons: [], headline: 'Redis cannot be asked' };
    const other = await open(async () => away, t);
    assert.equal((await ask(other.url, '/healthz')).status, 503);
    assert.match((await ask(other.url, '/')).body, /Redis cannot be asked/);
  });

  test('allows no script, no frame and no other style than its own, whatever is asked for', async (t) => {
    await seeded('well');
    const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t);
    for (const path of ['/', '/status.json', '/metrics', '/icon.svg', '/healthz', '/other']) {
      const { headers } = await ask(url, path);
      const policy = String(headers['content-security-policy']);
      assert.match(policy, /^default-src 'none'; style-src 'sha256-/, path);
      assert.doesNotMatch(policy, /unsafe|script-src|\*/, path);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
      assert.equal(headers['cache-control'], 'no-store', path);
    }
    const { body } = await ask(url, '/');
    assert.doesNotMatch(body, /<script|\son\w+=|\sstyle=|https?:\/\/(?!www\.w3\.org)/i);
  });

  test('shows strangers their words back as text, in every document and every state', async (t) => {
    for (const state of REPORT_STATES) {
      await seeded(state, 60);
      const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t);
      for (const path of ['/', '/status.json', '/metrics']) {
        const { status, body } = await ask(url, path);
        assert.equal(status, 200);
        assert.ok(!body.includes(HOSTILE), `${state} ${path}`);
        if (path === '/') assert.doesNotMatch(body, /<script|<img|onerror=alert\(2\)>/, state);
        assert.ok(!/[\p{Cf}\p{Cc}]/u.test(body.replaceAll('\n', '')), `${state} ${path}`);
      }
    }
  });

  test('lets nobody in without the token: as a bearer, or as the cookie of a login', async (t) => {
    await seeded('well');
    const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t, TOKEN);
    for (const path of ['/', '/status.json', '/metrics', '/icon.svg']) {
      const refused = await ask(url, path);
      assert.equal(refused.status, 401, path);
      assert.doesNotMatch(refused.body, /203\.0\.113/, path);
      const wrong = await ask(url, path, {
        headers: { authorization: 'Bearer wrong', cookie: 'p2p_page=wrong' },
      });
      assert.equal(wrong.status, 401, path);
      assert.equal(
        (await ask(url, path, { headers: { authorization: `Bearer ${TOKEN}` } })).status,
        200,
        path,
      );
    }
    assert.equal((await ask(url, '/healthz')).status, 200, 'health says nothing else, and is for everyone');
    assert.equal((await ask(url, '/login', { method: 'POST', body: 'token=wrong' })).status, 403);
    const login = await ask(url, '/login', { method: 'POST', body: `token=${TOKEN}` });
    assert.equal(login.status, 303);
    const [cookie = ''] = [login.headers['set-cookie']].flat();
    assert.match(cookie, /HttpOnly; SameSite=Strict$/);
    assert.ok(!cookie.includes(TOKEN));
    const [pair = ''] = cookie.split(';');
    assert.equal((await ask(url, '/', { headers: { cookie: `other=1; ${pair}` } })).status, 200);
  });

  test('is not shown under a name that somebody else gave to 127.0.0.1', async (t) => {
    await seeded('well');
    const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t);
    assert.equal((await ask(url, '/', { headers: { host: 'evil.example:8090' } })).status, 403);
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:8090']) {
      assert.equal((await ask(url, '/', { headers: { host } })).status, 200, host);
    }
  });

  test('refuses a body that does not end, and goes on', async (t) => {
    await seeded('well');
    const { url } = await open(createReporter(reportParts(testRedis().redis), 'page'), t, TOKEN);
    const { status } = await ask(url, '/login', { method: 'POST', body: 'x'.repeat(100_000) }).catch(() => ({
      status: 0,
    }));
    assert.ok(status === 500 || status === 0);
    assert.equal((await ask(url, '/healthz')).status, 200);
  });

  test('of 10,000 consumers without a recent round reads every record, in 20 commands at most', async () => {
    await seeded('many', 9_990);
    await testRedis().command('DEL', '{p2p}:sync:rounds');
    const redis = countingRedis(testRedis().redis);
    const { facts } = await readReport(reportParts(redis), 'page');
    assert.equal(facts?.consumers.known, 9_991);
    assert.equal(facts?.consumers.worst.length, 50);
    assert.equal(
      Object.values(facts?.consumers.states ?? {}).reduce((sum, count) => sum + count, 0),
      9_991,
    );
    assert.ok(redis.sent.length <= 20, `${redis.sent.length} commands: ${redis.sent.join()}`);
  });

  test('of more than 2,000 consumers shows what the last round counted, which adds up, and found the worst', async () => {
    await seeded('many', 2_050);
    const redis = countingRedis(testRedis().redis);
    const { facts } = await readReport(reportParts(redis), 'page');
    assert.ok(redis.sent.length <= 20, `${redis.sent.length} commands`);
    const { known, states, countedAt, worst } = facts?.consumers ?? assert.fail();
    assert.ok(states !== undefined && countedAt !== undefined);
    assert.deepEqual([worst.length, worst[0]?.state], [50, 'dead']);
    assert.equal(
      Object.values(states).reduce((sum, count) => sum + count, 0),
      known,
    );
  });

  test('of 5,000 consumers reads every record where rounds call only some of them', async () => {
    await seeded('many', 5_000);
    await budgetedRound();
    const { facts, headline } = await readReport(reportParts(testRedis().redis), 'page');
    assert.equal(facts?.consumers.states?.unknown, 0);
    assert.match(headline, /^3,332 of 5,001 consumers alive/);
  });

  test('of 11,000 consumers that take turns counts those that were asked, and ourselves in no round', async () => {
    await seeded('many', 11_000);
    await budgetedRound();
    const { facts, headline } = await readReport(reportParts(testRedis().redis), 'page');
    assert.equal(facts?.consumers.known, 11_001);
    assert.match(headline, /^700 of 1,000 asked consumers alive/);
  });

  /** Two rounds that made all the calls they may, of which the last did not come across our own entry. */
  async function budgetedRound(): Promise<void> {
    await testRedis().command('DEL', '{p2p}:sync:rounds');
    const states = { alive: 700, suspect: 100, dead: 200, new: 0 };
    for (const [i, skipped] of [{ self: 1 }, {}].entries()) {
      const entry = roundEntry(Date.now() - 9_000 + i, {
        stopped: 'budget',
        probes: 1_000,
        states,
        skipped,
      });
      await testRedis().command(
        'XADD',
        '{p2p}:sync:rounds',
        '*',
        ...Object.entries(entry).flat().map(String),
      );
    }
  }

  test('asked a thousand times within two seconds, asks Redis once', async (t) => {
    await seeded('many', 100);
    const redis = countingRedis(testRedis().redis);
    const parts = reportParts(redis);
    const standing = { ...parts, host: { ...parts.host, monotonicMs: () => 0 } };
    const { url } = await open(createReporter(standing, 'page'), t);
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    t.after(() => agent.destroy());
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => ask(url, '/', { agent })));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.ok(redis.sent.length < 20, `${redis.sent.length} commands for a thousand requests`);
  });

  test('asked a thousand times at once, does not make a delivery of the same process wait for the answers', async (t) => {
    await seeded('many', 100);
    const parts = reportParts(testRedis().redis, { PEER_ALLOW_CIDRS: '127.0.0.1/32' });
    const { url } = await open(createReporter(parts, 'page'), t);
    const producer = await startPeer(t);
    const parsed = parts.policy.parse(producer.address);
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    t.after(() => agent.destroy());
    await ask(url, '/');
    let answered = 0;
    const answers = Promise.all(
      Array.from({ length: 1_000 }, () =>
        ask(url, '/', { agent }).then(() => {
          answered += 1;
        }),
      ),
    );
    const outcome = await parts.post({
      address: 'address' in parsed ? parsed.address : assert.fail(),
      path: '/ip',
      body: JSON.stringify({ uuid: OWN_UUID, ip: '203.0.113.77' }),
      timeoutMs: 30_000,
    });
    const before = answered;
    assert.equal(outcome.kind, 'replied');
    await answers;
    assert.ok(before < 500, `${before} of a thousand were answered before the delivery`);
  });
});
