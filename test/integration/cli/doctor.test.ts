import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { RedisReplyError } from '../../../lib/errors.ts';
import { countingRedis } from '../../support/counting-redis.ts';
import { answer, closedPort, startFakeRest } from '../../support/fake-redis.ts';
import { temporaryFolder } from '../../support/owner.ts';
import { startPeer } from '../../support/peer-server.ts';
import { needsRealRedis, redisForSuite, startRedisServer, startTestRedis } from '../../support/redis.ts';
import { roundEntry } from '../../support/report-states.ts';
import { withReplies } from '../../support/tampered-redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { envOf, faultsOfText, KEYS, LOCAL_UUID, p2p, redisNow, sourcesSaying } from './harness.ts';

interface Finding {
  readonly level: 'ok' | 'warning' | 'failure';
  readonly about: string;
  readonly says: string;
  readonly todo?: string;
}

const GOOD = sourcesSaying('203.0.113.7', '203.0.113.7', '203.0.113.7');

/** Runs doctor twice: as text, whose form is held, and as JSON, whose findings are answered. */
async function examine(options: Parameters<typeof p2p>[1], args: readonly string[] = []) {
  const text = await p2p(['doctor', ...args], options);
  assert.deepEqual(faultsOfText(text.out), [], 'every line fits 80 columns and is harmless');
  const run = await p2p(['doctor', '--json', ...args], options);
  assert.equal(run.code, text.code);
  const findings = run.json().findings as Finding[];
  for (const { level, todo, says } of findings) {
    assert.equal(todo !== undefined, level !== 'ok', `"${says}" says what to do, unless all is well`);
  }
  return { code: run.code, findings, text: text.out };
}

function line(findings: readonly Finding[], pattern: RegExp): Finding {
  const found = findings.find(({ says }) => pattern.test(says));
  assert.ok(found, `no finding says ${pattern}:\n${findings.map(({ says }) => says).join('\n')}`);
  return found;
}

describe('a set-up that works', () => {
  const testRedis = redisForSuite();
  beforeEach(async () => void (await testRedis().command('FLUSHALL')));

  test('has no failure, and says so in its exit code', async (t) => {
    const api = await startPeer(t, { body: { uuid: LOCAL_UUID } });
    await seedWorking();
    const { code, findings } = await examine(
      {
        env: envOf(testRedis(), { IP_ALLOW_CIDRS: '127.0.0.1/32', PEER_PORT: String(api.port) }),
        brought: { sources: sourcesSaying('127.0.0.1', '127.0.0.1', '127.0.0.1') },
      },
      [],
    );
    assert.equal(code, 0);
    assert.deepEqual(
      findings.filter(({ level, about }) => level !== 'ok' && about !== 'persisted' && about !== 'eviction'),
      [],
    );
    assert.match(line(findings, /your consumer API answers/).says, /with its UUID/);
    assert.equal(api.requests[0]?.body, '{}', 'the own API is given nobody to record');
  });

  test('is asked in five requests and under thirty commands, and left as it was', async () => {
    await seedWorking();
    const before = await testRedis().command('KEYS', '*');
    const redis = countingRedis(testRedis().redis);
    await p2p(['doctor'], { env: envOf(testRedis()), brought: { sources: GOOD, redis } });
    assert.ok(redis.trips <= 5, `${redis.trips} requests`);
    assert.ok(redis.sent.length <= 30, `${redis.sent.length} commands`);
    assert.deepEqual(
      new Set((await testRedis().command('KEYS', '*')) as string[]),
      new Set(before as string[]),
    );
  });

  async function seedWorking() {
    const now = await redisNow(testRedis());
    await testRedis().command('SET', KEYS.uuid, LOCAL_UUID);
    await testRedis().put(KEYS.ip, {
      current: '127.0.0.1',
      epoch: now,
      since: now,
      checkedAt: now,
      verifiedAt: now,
    });
    await testRedis().command('HSET', KEYS.consumers, uuidOf(1), '8.8.8.8');
    await testRedis().command('HSET', KEYS.producers, uuidOf(2), '8.8.4.4');
    await testRedis().append(KEYS.rounds, roundEntry(now, { complete: true }));
  }
});

describe('a broken set-up is named by its line', () => {
  const testRedis = redisForSuite();
  beforeEach(async () => void (await testRedis().command('FLUSHALL')));
  const good = () => ({ env: envOf(testRedis()), brought: { sources: GOOD } });

  test('variables that are missing or unusable, each in a line of its own', async () => {
    const { code, findings } = await examine({
      env: { REDIS_URL: 'mysql://secret@db', IP_QUORUM: '0', PEER_PORT: 'eighty' },
    });
    assert.equal(code, 1);
    assert.equal(line(findings, /LOCAL_UUID is required/).level, 'failure');
    assert.equal(line(findings, /REDIS_URL must be a URL that starts with/).level, 'failure');
    assert.equal(line(findings, /IP_QUORUM must be/).level, 'failure');
    assert.equal(line(findings, /PEER_PORT must be/).level, 'failure');
  });

  test('a misspelt variable', async () => {
    const { findings } = await examine({
      ...good(),
      env: { ...good().env, IP_SOURCE: 'x', SYNC_INTERVALL_MS: '1', NOTIFY_TIMEOUT: '1' },
    });
    assert.match(line(findings, /IP_SOURCE is set, and is no variable/).todo ?? '', /IP_SOURCES/);
    assert.match(line(findings, /NOTIFY_TIMEOUT is set/).todo ?? '', /NOTIFY_TIMEOUT_MS/);
    assert.match(line(findings, /SYNC_INTERVALL_MS is set/).todo ?? '', /SYNC_INTERVAL_MS/);
  });

  test('an .env that everybody may read', async (t) => {
    const file = join(temporaryFolder(t), 'env');
    await writeFile(file, 'PEER_PORT=81\n');
    await chmod(file, 0o644);
    const { findings } = await examine(good(), ['--env-file', file]);
    assert.match(line(findings, /everybody on this machine may read/).todo ?? '', /chmod 600/);
  });

  test('a Redis that is not there', async () => {
    const env = envOf({ url: `redis://:planted-secret@127.0.0.1:${await closedPort()}` });
    const { code, findings, text } = await examine({ env, brought: { sources: GOOD } });
    assert.equal(code, 1);
    assert.match(line(findings, /cannot be reached \(ECONNREFUSED\)/).todo ?? '', /REDIS_URL/);
    assert.ok(line(findings, /3 of 3 operators say/), 'the rest is examined all the same');
    assert.doesNotMatch(text, /planted-secret/);
  });

  test('a wrong REST token', async (t) => {
    const rest = await startTestRedis(t, { transport: 'rest' });
    const env = { ...envOf(rest), REDIS_TOKEN: 'planted-wrong-token' };
    const { code, findings, text } = await examine({ env, brought: { sources: GOOD } });
    assert.equal(code, 1);
    assert.match(line(findings, /refused the request/).todo ?? '', /REDIS_TOKEN/);
    assert.doesNotMatch(text, /planted-wrong-token/);
  });

  test('a URL behind which there is no Redis', async (t) => {
    const web = await startFakeRest(t, [answer(200, '<html>\u001b[31mhello</html>')]);
    const { code, findings } = await examine({ env: envOf(web), brought: { sources: GOOD } });
    assert.equal(code, 1);
    assert.equal(line(findings, /does not answer like Redis/).level, 'failure');
  });

  test('a wrong password', needsRealRedis(), async (t) => {
    const server = await startRedisServer({ args: ['--requirepass', 'the-right-one'] });
    t.after(server.stop);
    const env = envOf({ url: server.url.replace('redis://', 'redis://:planted-password@') });
    const { code, findings, text } = await examine({ env, brought: { sources: GOOD } });
    assert.equal(code, 1);
    assert.equal(line(findings, /WRONGPASS|NOAUTH/).level, 'failure');
    assert.doesNotMatch(text, /planted-password/);
  });

  test('the Redis of another consumer, of which nothing is shown or changed', async () => {
    const other = uuidOf(0xbad);
    await testRedis().command('SET', KEYS.uuid, other);
    await testRedis().command('HSET', KEYS.producers, uuidOf(1), '10.0.0.1');
    const { code, findings, text } = await examine(good());
    assert.equal(code, 1);
    assert.match(line(findings, /belongs to another consumer/).todo ?? '', /LOCAL_UUID/);
    assert.ok(
      !text.includes(other) && !findings.some(({ about }) => about === 'producers' || about === 'writable'),
    );
  });

  test('a read-only replica', needsRealRedis(), async (t) => {
    const server = await startRedisServer({ args: ['--replicaof', '127.0.0.1', String(await closedPort())] });
    t.after(server.stop);
    const { code, findings } = await examine({ env: envOf(server), brought: { sources: GOOD } });
    assert.equal(code, 1);
    assert.match(line(findings, /does not serve: READONLY/).todo ?? '', /REDIS_URL must name the primary/);
  });

  test('a login that may not write', needsRealRedis(), async (t) => {
    const server = await startRedisServer({
      args: ['--user', 'reader', 'on', '>pw-of-reader', '~*', '+@all', '-@scripting'],
    });
    t.after(server.stop);
    const env = envOf({ url: server.url.replace('redis://', 'redis://reader:pw-of-reader@') });
    const { code, findings } = await examine({ env, brought: { sources: GOOD } });
    assert.equal(code, 1);
    assert.match(line(findings, /cannot be written: this login may not/).todo ?? '', /REDIS_PREFIX/);
  });

  test('a login that may not even ask for the time', needsRealRedis(), async (t) => {
    const server = await startRedisServer({
      args: ['--user', 'reader', 'on', '>pw-of-reader', '~*', '+@read', '+@connection'],
    });
    t.after(server.stop);
    const env = envOf({ url: server.url.replace('redis://', 'redis://reader:pw-of-reader@') });
    const { findings } = await examine({ env, brought: { sources: GOOD } });
    const { says, todo } = line(findings, /Redis refuses a command/);
    assert.match(says, /^Redis refuses a command: NOPERM this user has no permissions to run the '\w+'/);
    assert.doesNotMatch(says, /docs\/REDIS\.md/);
    assert.match(todo ?? '', /docs\/REDIS\.md/);
    const status = await p2p(['status', '--json'], { env });
    assert.doesNotMatch(status.out, /undefined/);
  });

  test('a Redis that evicts', async () => {
    const policy = (name: string, bytes: string) =>
      withReplies(testRedis().redis, ([command, word], reply) =>
        command === 'CONFIG' && word === 'GET' ? ['maxmemory-policy', name, 'maxmemory', bytes] : reply,
      );
    const evicting = await examine({
      ...good(),
      brought: { sources: GOOD, redis: policy('volatile-lru', '100000000') },
    });
    assert.equal(evicting.code, 1);
    assert.match(line(evicting.findings, /Redis evicts \(volatile-lru\)/).todo ?? '', /noeviction/);
    const unlimited = await examine({
      ...good(),
      brought: { sources: GOOD, redis: policy('allkeys-lru', '0') },
    });
    assert.equal(line(unlimited.findings, /allkeys-lru, though without a limit/).level, 'warning');
  });

  test('a Redis that does not tell whether it evicts', async () => {
    const redis = withReplies(testRedis().redis, ([command], reply) =>
      ['CONFIG', 'INFO'].includes(command)
        ? new RedisReplyError('NOPERM this user has no permissions')
        : reply,
    );
    const { code, findings } = await examine({ ...good(), brought: { sources: GOOD, redis } });
    assert.equal(code, 0);
    assert.equal(line(findings, /does not tell whether it evicts/).level, 'warning');
  });

  test('a Redis that is too old', async () => {
    const redis = withReplies(testRedis().redis, ([command], reply) =>
      command === 'INFO' ? 'redis_version:5.0.7\r\naof_enabled:1\r\n' : reply,
    );
    const { code, findings } = await examine({ ...good(), brought: { sources: GOOD, redis } });
    assert.equal(code, 1);
    assert.match(line(findings, /Redis 5\.0\.7 is too old/).todo ?? '', /6\.2/);
  });

  test('a key of another type', async () => {
    await testRedis().command('SET', KEYS.producers, 'oops');
    await testRedis().command('SET', KEYS.ip, 'oops');
    const { code, findings } = await examine(good());
    assert.equal(code, 1);
    assert.match(line(findings, /\{p2p\}:producers is a string, expected a hash/).todo ?? '', /RENAME/);
    assert.ok(line(findings, /\{p2p\}:ip is a string/));
  });

  test('clocks that disagree', async () => {
    const redis = withReplies(testRedis().redis, ([command], reply) =>
      command === 'TIME' && Array.isArray(reply) ? [String(Number(reply[0]) + 600), '0'] : reply,
    );
    const { findings } = await examine({ ...good(), brought: { sources: GOOD, redis } });
    assert.match(line(findings, /Redis's clock is 10 min ahead/).todo ?? '', /timedatectl/);
  });

  test('sources that fail, each with its reason', async () => {
    const sources = sourcesSaying('203.0.113.7', '203.0.113.7', 'not-an-ip', 'tls', 'timeout');
    const { code, findings } = await examine({ ...good(), brought: { sources } });
    assert.equal(code, 0, 'a quorum is left');
    assert.match(line(findings, /c\.example: not-an-ip/).todo ?? '', /captive portal/);
    assert.match(line(findings, /d\.example: tls/).todo ?? '', /clock/);
    assert.match(line(findings, /e\.example: timeout/).todo ?? '', /DNS/);
  });

  test('a quorum that cannot be reached', async () => {
    const { code, findings } = await examine({
      ...good(),
      brought: { sources: sourcesSaying('203.0.113.7', 'timeout', 'unreachable') },
    });
    assert.equal(code, 1);
    assert.equal(line(findings, /1 of 3 operators answered, 2 must agree/).level, 'failure');
  });

  test('sources that contradict each other', async () => {
    const { code, findings } = await examine({
      ...good(),
      brought: { sources: sourcesSaying('203.0.113.7', '203.0.113.8') },
    });
    assert.equal(code, 1);
    assert.equal(line(findings, /contradict each other: 203\.0\.113\.7, 203\.0\.113\.8/).level, 'failure');
  });

  test('the wrong family', async () => {
    const { findings } = await examine({
      ...good(),
      brought: { sources: sourcesSaying('wrong-family', 'wrong-family') },
    });
    assert.match(line(findings, /a\.example: wrong-family, IP_FAMILY is 4/).todo ?? '', /IP_FAMILY/);
  });

  test('two operators of whom both must agree, and one alone', async () => {
    const two = await examine({
      ...good(),
      env: { ...good().env, IP_SOURCES: 'https://a.example,https://b.example' },
    });
    assert.match(line(two.findings, /2 operators and both must agree/).todo ?? '', /3 operators/);
    const one = await examine({ ...good(), env: { ...good().env, IP_SOURCES: 'https://a.example' } });
    assert.equal(line(one.findings, /one operator: if it is wrong/).level, 'warning');
  });

  test('calls that leave from another address than consumers reach: the fatal one', async () => {
    const named = await examine({
      ...good(),
      brought: { sources: [...GOOD, ...sourcesSaying(['dns', '203.0.113.99'])] },
    });
    assert.equal(named.code, 1);
    assert.match(
      line(
        named.findings,
        /calls leave from 203\.0\.113\.7, but a\.example says that consumers reach you at 203\.0\.113\.99/,
      ).todo ?? '',
      /wrong address/,
    );
    const env = { ...good().env, PEER_ALLOW_CIDRS: '203.0.113.0/24', SYNC_TIMEOUT_MS: '100' };
    const told = await examine({ ...good(), env }, ['--reach', '203.0.113.98:8080']);
    assert.equal(told.code, 1);
    assert.equal(
      line(told.findings, /--reach says that consumers reach you at 203\.0\.113\.98/).level,
      'failure',
    );
  });

  test('a register that has another address than is seen', async () => {
    await testRedis().command('HSET', KEYS.ip, 'current', '203.0.113.1', 'epoch', '1');
    const { findings } = await examine(good());
    assert.match(
      line(findings, /leave from 203\.0\.113\.7; the register has 203\.0\.113\.1/).todo ?? '',
      /another machine/,
    );
  });

  describe('at the address of the own consumer API', () => {
    const env = (port: number) => ({
      ...envOf(testRedis()),
      IP_ALLOW_CIDRS: '127.0.0.1/32',
      PEER_PORT: String(port),
    });
    const brought = { sources: sourcesSaying('127.0.0.1', '127.0.0.1', '127.0.0.1') };

    test('nothing listens', async () => {
      const { findings } = await examine({ env: env(await closedPort()), brought });
      assert.match(
        line(findings, /nothing usable answers at 127\.0\.0\.1:\d+ from here \(refused\)/).todo ?? '',
        /From outside/,
      );
    });

    test('another consumer answers', async (t) => {
      const peer = await startPeer(t, { body: { uuid: uuidOf(7) } });
      const { code, findings } = await examine({ env: env(peer.port), brought });
      assert.equal(code, 1);
      assert.match(line(findings, /another consumer answers/).todo ?? '', /forwarded/);
    });

    test('some other web server answers', async (t) => {
      const peer = await startPeer(t, { status: 404, body: '\u001b[31m' });
      const { findings } = await examine({ env: env(peer.port), brought });
      assert.match(line(findings, /has no POST \/sync \(404\)/).todo ?? '', /PEER_PORT/);
    });
  });

  test('a schedule that does not fit its interval', async () => {
    const { findings } = await examine({
      ...good(),
      env: { ...good().env, SYNC_SCHEDULE: 'rate(10 minutes)', IP_CHECK_SCHEDULE: 'rate(1 minutes)' },
    });
    assert.match(
      line(findings, /SYNC_SCHEDULE is rate\(10 minutes\), but SYNC_INTERVAL_MS says 5 min/).todo ?? '',
      /SYNC_INTERVAL_MS=600000/,
    );
    assert.equal(line(findings, /rate\(1 minutes\), which AWS does not take/).level, 'failure');
  });

  test('jobs that have stopped running', async () => {
    const hour = (await redisNow(testRedis())) - 3_600_000;
    await testRedis().command('HSET', KEYS.ip, 'checkedAt', hour, 'unknownChecks', 9);
    await testRedis().append(KEYS.rounds, roundEntry(hour, {}));
    const { code, findings } = await examine(good());
    assert.equal(code, 1);
    assert.match(line(findings, /no IP check for a while: the last was 60 min ago/).todo ?? '', /systemctl/);
    assert.equal(line(findings, /no round for a while/).level, 'failure');
    assert.equal(line(findings, /9 checks in a row found nothing out/).level, 'warning');
  });

  test('private peers that are not allowed', async () => {
    await testRedis().command('HSET', KEYS.consumers, uuidOf(1), '192.168.1.7', uuidOf(2), '10.1.1.1');
    await testRedis().put(KEYS.producers, {
      [uuidOf(3)]: '8.8.8.8',
      '\u001b[2J': 'x',
      [uuidOf(4)]: '8.8.8.8',
    });
    const { findings } = await examine(good());
    assert.match(line(findings, /2 entries cannot be called: not-public 2/).todo ?? '', /PEER_ALLOW_CIDRS/);
    assert.match(line(findings, /1 entry cannot be called: not-a-uuid 1/).todo ?? '', /--state unusable/);
  });

  test('a token that travels in the clear', async () => {
    const env = { ...good().env, REDIS_URL: 'http://redis.example', REDIS_TOKEN: 'some-token' };
    const { findings } = await examine({ env, brought: { sources: GOOD, redis: testRedis().redis } });
    assert.match(
      line(findings, /REDIS_URL is http:\/\/: what it carries, the token included/).todo ?? '',
      /https/,
    );
  });
});
