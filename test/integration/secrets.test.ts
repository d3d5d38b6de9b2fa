import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { createKeys } from '../../lib/store/keys.ts';
import { answer, closedPort, startFakeRest, startFakeTcpRedis } from '../support/fake-redis.ts';
import type { Ended, Scenario } from '../support/handlers-child.ts';
import { type Peer, startPeer } from '../support/peer-server.ts';
import { programEnv, ROOT } from '../support/processes.ts';
import { needsRealRedis, startTestRedis } from '../support/redis.ts';

/** Every secret there is; each is found by this word, however it is cut or wrapped. */
const PLANTED = 'planted';
const TOKEN = 'planted-token-3f9a1c';
const PASSWORD = 'planted-p@ss/word';
const ENCODED = encodeURIComponent(PASSWORD);
/** Both are seeds: base64 that reads as the word. */
const SIGNING_KEY = ['A', 'E'].map((last) => `whsk_${PLANTED.repeat(6)}${last}=`).join();
/** A value that only Redis holds: client libraries put commands and values into their errors. */
const VALUE = 'planted-value-of-redis';

const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const PRODUCER = '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55';
const CONSUMER = '7d444840-9dc0-41d1-b245-5ffdce74fad2';

const RUNS = [
  { functionName: 'sync', event: { source: 'schedule' } },
  { functionName: 'ip-check', event: { source: 'schedule' } },
  { functionName: 'producer-notify', event: { ip: '203.0.113.7', id: 'word-1' } },
];

interface World {
  readonly peer: Peer;
  readonly source: Peer;
  /** Lambda's API, which refuses everything. */
  readonly lambda: Peer;
  scenario(name: string, env: Record<string, string>, more?: Partial<Scenario>): Scenario;
}

/** A peer, an IP source, and a Lambda API that refuses everything. */
async function startWorld(t: TestContext): Promise<World> {
  const peer = await startPeer(t);
  const source = await startPeer(t, { body: '203.0.113.7\n' });
  const lambda = await startPeer(t, ({ body }) => ({
    status: 403,
    body: { Message: `denied: ${body}`, Type: 'User' },
  }));
  return {
    peer,
    source,
    lambda,
    scenario: (name, env, more = {}) => ({
      name,
      runs: RUNS,
      remainingMs: 30_000,
      ...more,
      env: {
        LOCAL_UUID,
        SIGNING_KEY,
        PEER_ALLOW_CIDRS: '127.0.0.1/32',
        IP_SOURCES: `http://${source.address}`,
        IP_ALLOW_CIDRS: '203.0.113.0/24',
        SYNC_FUNCTION: 'sync',
        PRODUCER_NOTIFY_FUNCTION: 'producer-notify',
        POWERTOOLS_LOG_LEVEL: 'DEBUG',
        POWERTOOLS_SERVICE_NAME: 'test',
        POWERTOOLS_METRICS_NAMESPACE: 'Test',
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'planted-access-key-id',
        AWS_SECRET_ACCESS_KEY: 'planted-secret-access-key',
        AWS_SESSION_TOKEN: 'planted-session-token',
        AWS_ENDPOINT_URL_LAMBDA: `http://${lambda.address}`,
        ...env,
      },
    }),
  };
}

/** Runs all three functions in each scenario, and finds the word in nothing that comes out of it. */
async function assertSilent(t: TestContext, scenarios: readonly Scenario[]): Promise<readonly Ended[]> {
  const child = spawn(process.execPath, ['test/support/handlers-child.ts'], {
    cwd: ROOT,
    env: programEnv({ HOME: ROOT }),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  child.stdin.end(JSON.stringify(scenarios));
  const told = child.stdio[3];
  assert.ok(told && 'read' in told);
  const [out, err, endings] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    text(told),
    once(child, 'close'),
  ]);
  assert.notEqual(endings, '', `the functions ended their process:\n${out}${err}`);
  const ended: Ended[] = JSON.parse(endings);
  assert.equal(ended.length, scenarios.flatMap(({ runs }) => runs).length);
  assert.ok(out.includes('"level":"ERROR"') || ended.every(({ error }) => error === undefined));
  assert.ok(out.includes('CloudWatchMetrics'), 'metrics were written');
  for (const [what, seen] of [
    ['standard output', out],
    ['standard error', err],
    ...ended.map(({ scenario, functionName, seen }) => [`${functionName}, ${scenario}`, seen] as const),
  ] as const) {
    const at = seen.toLowerCase().indexOf(PLANTED);
    assert.equal(at, -1, `${what}: …${seen.slice(Math.max(0, at - 300), at + 100)}…`);
  }
  return ended;
}

/** Every run of a scenario ended in that error; where it is undefined, it has succeeded. */
function assertEnds(ended: readonly Ended[], expected: Readonly<Record<string, string | undefined>>): void {
  for (const [scenario, error] of Object.entries(expected)) {
    const found = ended.filter((each) => each.scenario === scenario).map((each) => each.error);
    assert.ok(found.length > 0, scenario);
    assert.deepEqual(found, Array(found.length).fill(error), scenario);
  }
}

const hasPlanted = (value: unknown) => JSON.stringify(value).toLowerCase().includes(PLANTED);

/** A Redis that answers each command with an error that repeats it. */
async function startEcho(t: TestContext) {
  const echo = await startFakeTcpRedis(t, (socket) => {
    const said = echo.received.at(-1)?.replaceAll('\r\n', ' ') ?? '';
    socket.write(`-ERR ${said}\r\n`.repeat(8));
  });
  return echo;
}

describe('no secret is to be seen', { concurrency: true }, () => {
  test('where everything works but the starting of a sibling', async (t) => {
    const world = await startWorld(t);
    const redis = await startTestRedis(t, { transport: 'rest' });
    const keys = createKeys('{p2p}:');
    await redis.command('HSET', keys.consumers, CONSUMER, world.peer.address, VALUE, VALUE);
    await redis.command('HSET', keys.producers, PRODUCER, world.peer.address, VALUE, VALUE);
    await redis.command('HSET', keys.ip, 'current', '203.0.113.7', 'epoch', '7', VALUE, VALUE);
    await redis.command('HSET', keys.candidates, VALUE, VALUE);
    const due = createKeys('{due}:');
    await redis.command('HSET', due.ip, 'current', '203.0.113.7', 'epoch', '7');
    await redis.command('ZADD', due.due, '1', PRODUCER);
    await redis.command('HSET', '{shards}:ip', 'current', '203.0.113.7', 'epoch', '7');
    await redis.command('HSET', '{shards}:consumers', CONSUMER, world.peer.address, PRODUCER, '127.0.0.1:1');
    const rest = { REDIS_URL: redis.url, REDIS_TOKEN: redis.token ?? '' };

    const ended = await assertSilent(t, [
      world.scenario('success', rest),
      world.scenario('shards that cannot be started', {
        ...rest,
        REDIS_PREFIX: '{shards}:',
        SYNC_SHARD_ABOVE: '1',
      }),
      world.scenario(
        'a drain that cannot be started',
        { ...rest, REDIS_PREFIX: '{due}:' },
        { runs: RUNS.filter(({ functionName }) => functionName === 'ip-check') },
      ),
    ]);

    assertEnds(ended, {
      success: undefined,
      'shards that cannot be started': undefined,
      'a drain that cannot be started': undefined,
    });
    assert.ok(world.peer.requests.length >= 2, 'a consumer and a producer were called');
    assert.ok(world.peer.requests.every(({ headers }) => headers['webhook-signature'] !== undefined));
    assert.ok(world.lambda.requests.length >= 2, 'a sibling was to be started');
    // Without the headers that AWS's signature is in.
    const told = world.lambda.requests.map(({ path, body }) => [path, body]);
    assert.ok(!hasPlanted([world.peer.requests, world.source.requests, told]), 'nobody was told');
    await redis.command('HDEL', keys.consumers, VALUE);
    await redis.command('HDEL', keys.producers, VALUE);
    await redis.command('HDEL', keys.ip, VALUE);
    for (const key of [keys.health, keys.consumers, keys.deliveries, keys.ip, keys.cursor]) {
      assert.ok(!hasPlanted(await redis.command('HGETALL', key)), key);
    }
    for (const key of [keys.rounds, keys.ipHistory]) {
      assert.ok(!hasPlanted(await redis.command('XRANGE', key, '-', '+')), key);
    }
  });

  test('where Redis over REST cannot be reached, says nothing, or is something else', async (t) => {
    const world = await startWorld(t);
    const repeats = (status: number, wrap: (said: string) => string | object) =>
      startFakeRest(t, [
        (request, response) =>
          answer(status, wrap(`WRONGPASS ${JSON.stringify(request.headers)} ${TOKEN}`))(request, response),
      ]);
    const json = await repeats(401, (said) => ({ error: said }));
    const broken = await repeats(500, (said) => ({ error: said }));
    const page = await repeats(200, (said) => `<html>${said}</html>`);
    const slots = await startFakeRest(t, [
      answer(200, [{ error: `ERR ${TOKEN}, command was: ["${VALUE}"]` }]),
    ]);
    const silent = await startFakeRest(t, [() => {}]);
    const at = (url: string) => ({ REDIS_URL: url, REDIS_TOKEN: TOKEN });

    const ended = await assertSilent(t, [
      world.scenario('unreachable', at(`http://127.0.0.1:${await closedPort()}`)),
      world.scenario('refused with an echo', at(json.url)),
      world.scenario('broken with an echo', at(broken.url)),
      world.scenario('a page with an echo', at(page.url)),
      world.scenario('too few answers', at(slots.url)),
      world.scenario('silent', at(silent.url), { remainingMs: 2_600 }),
    ]);

    assertEnds(ended, {
      unreachable: 'RedisUnavailableError',
      'refused with an echo': 'RedisUnavailableError',
      'broken with an echo': 'RedisUnavailableError',
      'a page with an echo': 'RedisUnavailableError',
      'too few answers': 'RedisUnavailableError',
      silent: 'RedisUnavailableError',
    });
  });

  test('where Redis refuses single commands: wrong types, no memory, a log-in that is repeated', async (t) => {
    const world = await startWorld(t);
    const redis = await startTestRedis(t, { transport: 'rest' });
    const keys = createKeys('{types}:');
    for (const key of [keys.consumers, keys.producers, keys.ip]) await redis.command('SET', key, VALUE);
    await redis.command('RPUSH', keys.lease('notify'), VALUE);
    await redis.command('SET', '{other}:uuid', VALUE);
    const rest = { REDIS_URL: redis.url, REDIS_TOKEN: redis.token ?? '' };
    const full = await startFakeRest(t, [
      (request, response) => {
        const oom = `OOM command not allowed when used memory > 'maxmemory'. script: x, command was: [["EVAL","${VALUE}","${TOKEN}"]]`;
        answer(200, [{ error: oom }, { error: oom }])(request, response);
      },
    ]);
    const noauth = await startFakeRest(t, [
      answer(200, [{ error: `NOPERM ${TOKEN}` }, { error: `ERR ${TOKEN}` }]),
    ]);

    const ended = await assertSilent(t, [
      world.scenario('wrong types', { ...rest, REDIS_PREFIX: '{types}:' }),
      world.scenario("another's identity", { ...rest, REDIS_PREFIX: '{other}:' }),
      world.scenario('no memory', { REDIS_URL: full.url, REDIS_TOKEN: TOKEN }),
      world.scenario('no permission', { REDIS_URL: noauth.url, REDIS_TOKEN: TOKEN }),
    ]);

    assertEnds(ended, {
      'wrong types': 'RedisReplyError',
      "another's identity": 'IdentityError',
      'no memory': 'RedisUnavailableError',
      'no permission': 'RedisReplyError',
    });
  });

  test('where Redis over TCP cannot be reached, refuses the log-in, or repeats it', async (t) => {
    const world = await startWorld(t);
    const echo = await startEcho(t);
    const closing = await startFakeTcpRedis(t, (socket) => void socket.destroy());
    const silent = await startFakeTcpRedis(t, () => {});
    const as = (url: string) => ({ REDIS_URL: `redis://default:${ENCODED}@${new URL(url).host}/3` });

    const ended = await assertSilent(t, [
      world.scenario('unreachable', as(`redis://127.0.0.1:${await closedPort()}`)),
      world.scenario('echo', as(echo.url)),
      world.scenario('closing', as(closing.url)),
      world.scenario('silent', as(silent.url), { remainingMs: 2_600 }),
    ]);

    assert.ok(
      echo.received.some((data) => data.includes(PASSWORD)),
      'the password was sent, and repeated',
    );
    assertEnds(ended, {
      unreachable: 'RedisUnavailableError',
      echo: 'RedisUnavailableError',
      closing: 'RedisUnavailableError',
      silent: 'RedisUnavailableError',
    });
  });

  test('where a real Redis takes the password, or another one', needsRealRedis(), async (t) => {
    const world = await startWorld(t);
    const redis = await startTestRedis(t, { engine: 'real' });
    await redis.command('ACL', 'SETUSER', 'app', 'on', `>${PASSWORD}`, '~*', '+@all');
    await redis.command('ACL', 'SETUSER', 'reader', 'on', `>${PASSWORD}`, '~*', '+@read', '+time');
    await redis.command('HSET', '{p2p}:consumers', CONSUMER, world.peer.address, VALUE, VALUE);
    await redis.command('HSET', '{p2p}:ip', 'current', '203.0.113.7', 'epoch', '7');
    const { host } = new URL(redis.tcpUrl);

    const ended = await assertSilent(t, [
      world.scenario('log-in', { REDIS_URL: `redis://app:${ENCODED}@${host}` }),
      world.scenario('wrong password', { REDIS_URL: `redis://app:${ENCODED}x@${host}` }),
      world.scenario('read-only', { REDIS_URL: `redis://reader:${ENCODED}@${host}` }),
      world.scenario('no such database', { REDIS_URL: `redis://app:${ENCODED}@${host}/99` }),
    ]);

    assertEnds(ended, {
      'log-in': undefined,
      'wrong password': 'RedisUnavailableError',
      'read-only': 'RedisReplyError',
      'no such database': 'RedisUnavailableError',
    });
  });

  test('of a host of its own, whose Redis repeats the log-in', async (t) => {
    const { scenario } = await startWorld(t);
    const echo = await startEcho(t);
    const { env } = scenario('host', { REDIS_URL: `redis://default:${ENCODED}@${new URL(echo.url).host}` });
    const child = spawn(process.execPath, ['host/start.ts'], {
      cwd: ROOT,
      env: programEnv({ HOME: ROOT, LOCAL_ENV_FILE: '', ...env }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => void child.kill('SIGKILL'));
    let output = '';
    const refused = Promise.withResolvers<void>();
    const closed = once(child, 'close');
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
        if (output.includes('refused the login')) refused.resolve();
      });
    }
    await Promise.race([refused.promise, closed]);
    child.kill('SIGTERM');
    await closed;

    assert.match(output, /refused the login/);
    assert.ok(!hasPlanted(output), output);
  });

  test('where the configuration is wrong, or an event holds one by mistake', async (t) => {
    const world = await startWorld(t);
    const broken: Record<string, Record<string, string>> = {
      'no key': { REDIS_URL: 'redis://127.0.0.1:1', SIGNING_KEY: `whsk_${PLANTED}` },
      'keys of two kinds': {
        REDIS_URL: 'redis://127.0.0.1:1',
        SIGNING_KEY: `${SIGNING_KEY},whsec_${PLANTED}`,
      },
      'no URL': { REDIS_URL: TOKEN },
      'another scheme': { REDIS_URL: `ftp://u:${ENCODED}@127.0.0.1` },
      'a log-in in a REST URL': { REDIS_URL: `http://u:${ENCODED}@127.0.0.1:1`, REDIS_TOKEN: TOKEN },
      'a token in a REST URL': { REDIS_URL: `https://127.0.0.1:1/?token=${TOKEN}`, REDIS_TOKEN: TOKEN },
      'a token of two lines': { REDIS_URL: 'https://127.0.0.1:1', REDIS_TOKEN: `${TOKEN}\n${TOKEN}` },
      'a password that is not encoded': { REDIS_URL: `redis://u:${PLANTED}%zz@127.0.0.1:1` },
      'a uuid': { LOCAL_UUID: TOKEN, REDIS_URL: 'redis://127.0.0.1:1' },
      'a source with a log-in': {
        REDIS_URL: 'redis://127.0.0.1:1',
        IP_SOURCES: `https://u:${ENCODED}@a.example`,
      },
      everything: { REDIS_URL: TOKEN, SYNC_TIMEOUT_MS: '3s', REDIS_PREFIX: ' ', IP_FAMILY: '5' },
    };
    const events = RUNS.map(({ functionName }) => ({
      functionName,
      event: { ip: TOKEN, shard: TOKEN, epoch: TOKEN },
    }));

    const ended = await assertSilent(t, [
      ...Object.entries(broken).map(([name, env]) => world.scenario(name, env)),
      world.scenario('event', { REDIS_URL: 'redis://127.0.0.1:1' }, { runs: events }),
    ]);

    assertEnds(ended, {
      ...Object.fromEntries(Object.keys(broken).map((name) => [name, 'ConfigError'])),
      event: undefined,
    });
    assert.equal(ended.filter(({ seen }) => seen.startsWith('{"refused"')).length, RUNS.length);
  });
});
