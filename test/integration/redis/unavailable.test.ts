import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { ConfigError, RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedis, type RedisClientOptions } from '../../../lib/redis/client.ts';
import type { Command, SendOptions } from '../../../lib/redis/redis.ts';
import { defineScript } from '../../../lib/redis/script.ts';
import { answer, closedPort, startFakeRest, startFakeTcpRedis } from '../../support/fake-redis.ts';
import { needsRealRedis, startRedisServer } from '../../support/redis.ts';

const COMMAND: Command = ['SET', 'planted-key', 'planted-value'];
const PLANTED = /planted/;

/** A client whose waits between attempts are recorded and not waited for. */
function connect(t: TestContext, options: Omit<RedisClientOptions, 'host'>) {
  const waits: number[] = [];
  const redis = createRedis({
    ...options,
    host: {
      monotonicMs: () => 0,
      random: () => 0.5,
      sleep: async (ms) => {
        waits.push(ms);
      },
    },
  });
  t.after(() => redis.close());
  const fail = async (options: SendOptions, ...commands: Command[]) => {
    const error = await redis.send(commands.length > 0 ? commands : [COMMAND], options).then(
      () => assert.fail('it was answered'),
      (error: unknown) => error,
    );
    assert.ok(error instanceof RedisUnavailableError, inspect(error));
    assert.doesNotMatch(inspect(error, { depth: 9 }), PLANTED);
    return error;
  };
  return { redis, waits, fail };
}

describe('over TCP', () => {
  test('a refused connection ran nothing, so any request is tried again, with growing waits', async (t) => {
    const url = `redis://planted-user:planted-password@127.0.0.1:${await closedPort()}`;
    const { fail, waits } = connect(t, { url });

    const error = await fail({ repeatable: false });

    assert.equal(error.mayHaveRun, false);
    assert.match(error.message, /^Redis at 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/);
    assert.deepEqual(waits, [100, 200, 400]);
  });

  test('an error calls the URL as the operator does', async (t) => {
    const { fail } = connect(t, {
      url: `http://127.0.0.1:${await closedPort()}`,
      token: 'planted-token',
      names: { url: 'UPSTASH_REDIS_REST_URL', token: 'UPSTASH_REDIS_REST_TOKEN' },
    });

    const error = await fail({ repeatable: true });

    assert.match(error.message, /\(ECONNREFUSED\)\. Check UPSTASH_REDIS_REST_URL, and that Redis is up/);
  });

  test('a connection that breaks after the request may have run it: what is not repeatable is sent once', async (t) => {
    const fake = await startFakeTcpRedis(t, (socket) => {
      if (fake.received.at(-1)?.includes('AUTH')) socket.write('+OK\r\n');
      else socket.destroy();
    });
    const { fail, waits } = connect(t, { url: fake.url });

    const error = await fail({ repeatable: false });

    assert.equal(error.mayHaveRun, true);
    assert.match(error.message, /broke before the reply was complete/);
    assert.equal(fake.received.filter((data) => data.includes('SET')).length, 1);
    assert.deepEqual(waits, []);
  });

  test('a repeatable request is sent again on a new connection, and answered', async (t) => {
    const fake = await startFakeTcpRedis(t, (socket, connection) => {
      if (fake.received.at(-1)?.includes('AUTH')) socket.write('+OK\r\n');
      else if (connection === 1) socket.resetAndDestroy();
      else socket.write('$5\r\nreply\r\n');
    });
    const { redis, waits } = connect(t, { url: fake.url });

    assert.deepEqual(await redis.send([['GET', 'a']], { repeatable: true }), ['reply']);
    assert.deepEqual(waits, [100]);
  });

  test('half an answer is no answer', async (t) => {
    const fake = await startFakeTcpRedis(t, (socket) => {
      if (fake.received.at(-1)?.includes('AUTH')) socket.write('+OK\r\n');
      else socket.end('+OK\r\n$100\r\nplanted-half');
    });
    const { fail } = connect(t, { url: fake.url });

    assert.equal((await fail({ repeatable: false }, COMMAND, ['GET', 'a'])).mayHaveRun, true);
  });

  test('a Redis that does not answer in time may have run it, and the next request has a connection of its own', async (t) => {
    const fake = await startFakeTcpRedis(t, (socket, connection) => {
      if (fake.received.at(-1)?.includes('AUTH')) socket.write('+OK\r\n');
      else if (connection > 1 || fake.received.at(-1)?.includes('warm')) socket.write('$5\r\nreply\r\n');
    });
    const { redis, fail } = connect(t, { url: fake.url });
    await redis.send([['GET', 'warm']], { repeatable: false });

    const error = await fail({ repeatable: false, timeoutMs: 20 });

    assert.equal(error.mayHaveRun, true);
    assert.match(error.message, /did not answer in time/);
    assert.deepEqual(await redis.send([['GET', 'a']], { repeatable: false }), ['reply']);
  });

  test('a login that is not answered ran nothing', async (t) => {
    const fake = await startFakeTcpRedis(t, () => {});
    const { fail } = connect(t, { url: fake.url });

    const error = await fail({ repeatable: false, timeoutMs: 20 });

    assert.equal(error.mayHaveRun, false);
    assert.ok(fake.received.every((data) => !data.includes('SET')));
  });

  test('a request in flight outlives the timeout of another one on its connection', async (t) => {
    const late = Promise.withResolvers<void>();
    const fake = await startFakeTcpRedis(t, (socket) => {
      const data = fake.received.at(-1);
      if (data?.includes('AUTH')) socket.write('+OK\r\n');
      if (data?.includes('warm')) socket.write('$5\r\nreply\r\n');
      if (data?.includes('patient')) late.promise.then(() => socket.write('$4\r\nlate\r\n'));
    });
    const { redis, fail } = connect(t, { url: fake.url });
    await redis.send([['GET', 'warm']], { repeatable: false });

    const patient = redis.send([['GET', 'patient']], { repeatable: false });
    await fail({ repeatable: false, timeoutMs: 20 });
    late.resolve();

    assert.deepEqual(await patient, ['late']);
  });

  test('an aborted run sends nothing more', async (t) => {
    const url = `redis://127.0.0.1:${await closedPort()}`;
    const { fail, waits } = connect(t, { url });

    const error = await fail({ repeatable: true, signal: AbortSignal.abort() });

    assert.equal(error.mayHaveRun, false);
    assert.deepEqual(waits, []);
  });

  test('an abort ends a request in flight', async (t) => {
    const run = new AbortController();
    const fake = await startFakeTcpRedis(t, (socket) => {
      if (fake.received.at(-1)?.includes('AUTH')) socket.write('+OK\r\n');
      else run.abort();
    });
    const { fail, waits } = connect(t, { url: fake.url });

    const error = await fail({ repeatable: true, signal: run.signal });

    assert.equal(error.mayHaveRun, true);
    assert.ok(waits.length <= 1);
    assert.equal(fake.received.filter((data) => data.includes('SET')).length, 1);
  });

  test('a closed client sends nothing', async (t) => {
    const { redis, fail } = connect(t, { url: `redis://127.0.0.1:${await closedPort()}` });
    await redis.close();
    assert.match((await fail({ repeatable: true })).message, /has been closed/);
  });

  test('a host name that does not exist is told so', async (t) => {
    const { fail } = connect(t, { url: 'redis://:planted-password@redis.invalid:6379' });
    const error = await fail({ repeatable: false });
    assert.equal(error.mayHaveRun, false);
    assert.match(error.message, /redis\.invalid:6379 cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/);
  });
});

describe('a real redis-server', needsRealRedis(), () => {
  const start = async (t: TestContext, ...args: string[]) => {
    const server = await startRedisServer({ args });
    t.after(server.stop);
    return server;
  };

  test('that wants another password refuses the login, and nothing ran', async (t) => {
    const server = await start(t, '--requirepass', 'planted-right');
    const wrong = connect(t, { url: `redis://:planted-wrong@127.0.0.1:${server.port}` });
    const none = connect(t, { url: server.url });

    const refused = await wrong.fail({ repeatable: false });
    const missing = await none.fail({ repeatable: false });

    assert.match(refused.message, /refused the login: WRONGPASS/);
    assert.equal(refused.mayHaveRun, false);
    assert.match(missing.message, /NOAUTH/);
    assert.equal(missing.mayHaveRun, false);
    assert.deepEqual([...wrong.waits, ...none.waits], []);
  });

  test('takes user, password and database from the URL', async (t) => {
    const server = await start(t, '--requirepass', 'p@ss:/#%');
    const { redis } = connect(t, {
      url: `redis://default:${encodeURIComponent('p@ss:/#%')}@127.0.0.1:${server.port}/3`,
    });

    assert.deepEqual(await redis.send([['SET', 'a', '1']], { repeatable: false }), ['OK']);
    const [info] = await redis.send([['INFO', 'keyspace']], { repeatable: false });
    assert.match(String(info), /db3:keys=1/);
  });

  test('without the database of the URL is not written to', async (t) => {
    const server = await start(t);
    const { fail } = connect(t, { url: `${server.url}/99` });
    const error = await fail({ repeatable: false });
    assert.match(error.message, /refused the login: ERR/);
    assert.equal(error.mayHaveRun, false);
  });

  test('that is killed while it runs a script may have run it, and is found again when it is back', async (t) => {
    const server = await start(t, '--lua-time-limit', '1');
    const { redis, fail } = connect(t, { url: server.url });
    const onlooker = connect(t, { url: server.url });
    const script = defineScript('endless', 'while true do end');
    const request = redis
      .send([{ script, keys: [], args: [] }], { repeatable: false })
      .catch((error) => error);
    const look = () => onlooker.redis.send([['PING']], { repeatable: false }).catch(String);
    while (!String(await look()).includes('BUSY'));

    await server.kill();
    const error = await request;
    assert.ok(error instanceof RedisUnavailableError && error.mayHaveRun);
    assert.equal((await fail({ repeatable: false })).mayHaveRun, false);
    await server.restart();

    assert.deepEqual(await redis.send([['PING']], { repeatable: false }), ['PONG']);
  });
});

describe('over REST', () => {
  const OK = answer(200, [{ result: 'OK' }]);

  for (const { title, first } of [
    { title: '503 with a JSON error', first: answer(503, { error: 'service is being updated' }) },
    { title: '429', first: answer(429, { error: 'rate limit exceeded' }) },
    { title: "502 with a gateway's HTML", first: answer(502, '<html>planted-page</html>') },
    { title: '200 with something that is no JSON', first: answer(200, '<html>planted-page</html>') },
    { title: '200 with fewer replies than commands', first: answer(200, []) },
    { title: '200 with an object', first: answer(200, { result: 'OK' }) },
    {
      title: 'a connection that is reset',
      first: (...[request]: Parameters<typeof OK>) => void request.socket.resetAndDestroy(),
    },
    {
      title: 'a body that breaks off',
      first: (...[, response]: Parameters<typeof OK>) => {
        response.writeHead(200, { 'content-length': 1_000 });
        response.write('[{"result":"planted-ha', () => response.destroy());
      },
    },
  ]) {
    test(`${title}: what is repeatable is sent again, what is not is unknown`, async (t) => {
      const again = await startFakeRest(t, [first, OK]);
      const once = await startFakeRest(t, [first]);
      const repeating = connect(t, again);
      const careful = connect(t, once);

      assert.deepEqual(await repeating.redis.send([COMMAND], { repeatable: true }), ['OK']);
      const error = await careful.fail({ repeatable: false });

      assert.equal(error.mayHaveRun, true);
      assert.deepEqual(repeating.waits, [100]);
      assert.equal(once.requests.length, 1);
    });
  }

  test('a request is tried four times at most', async (t) => {
    const rest = await startFakeRest(t, [answer(503, { error: 'down' })]);
    const { fail, waits } = connect(t, rest);

    const error = await fail({ repeatable: true });

    assert.match(error.message, /refused the request \(HTTP 503: down\)/);
    assert.equal(rest.requests.length, 4);
    assert.deepEqual(waits, [100, 200, 400]);
  });

  for (const [status, text] of [
    [401, 'WRONGPASS invalid or missing auth token'],
    [400, 'ERR max requests limit exceeded. Limit: 500000, Usage: 500000'],
    [413, 'ERR max request size exceeded. Limit: 10485760 bytes'],
  ] as const) {
    test(`${status} ${text.slice(0, 30)}… ran nothing and is not repeated`, async (t) => {
      const rest = await startFakeRest(t, [answer(status, { error: text })]);
      const { fail } = connect(t, rest);

      const error = await fail({ repeatable: true });

      assert.equal(error.mayHaveRun, false);
      assert.ok(error.message.includes(text));
      assert.equal(rest.requests.length, 1);
    });
  }

  for (const [status, trouble, tries, advice] of [
    [401, 'login', 1, /Check REDIS_TOKEN/],
    [403, 'login', 1, /whether Redis admits this machine/],
    [307, 'protocol', 1, /It redirects/],
    [404, 'protocol', 4, /may be no REST URL/],
    [429, 'busy', 4, /limits how many requests/],
    [502, 'busy', 4, /gateway in front of it/],
  ] as const) {
    test(`${status} with a page of a gateway is told by its status, without the page`, async (t) => {
      const rest = await startFakeRest(t, [
        (_, response) => {
          response.writeHead(status, { 'content-type': 'text/html', location: '/planted' });
          response.end('<html>planted-page</html>');
        },
      ]);
      const { fail } = connect(t, rest);

      const error = await fail({ repeatable: true });

      assert.equal(error.trouble, trouble);
      assert.match(error.message, new RegExp(`HTTP ${status}\\)`));
      assert.match(error.message, advice);
      assert.equal(rest.requests.length, tries);
    });
  }

  test('a body without end is not read to its end', async (t) => {
    const rest = await startFakeRest(t, [
      (_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(1_048_576, ' ')));
        };
        response.on('drain', more);
        more();
      },
    ]);
    const { fail } = connect(t, rest);

    assert.match(
      (await fail({ repeatable: false, timeoutMs: 60_000 })).message,
      /does not answer like Redis/,
    );
  });

  test('a port that fetch refuses is told, and not asked again', async (t) => {
    const { fail, waits } = connect(t, { url: 'http://127.0.0.1:6000', token: 'planted-token' });

    const error = await fail({ repeatable: true });

    assert.equal(error.mayHaveRun, false);
    assert.match(error.message, /one that HTTP clients refuse/);
    assert.deepEqual(waits, []);
  });

  test('a reply carries on to the next request what a replica must have seen', async (t) => {
    const rest = await startFakeRest(t, [
      (_, response) => {
        response.setHeader('upstash-sync-token', 'abc');
        response.end('[{"result":"OK"}]');
      },
    ]);
    const { redis } = connect(t, rest);

    for (let i = 0; i < 2; i++) await redis.send([COMMAND], { repeatable: false });

    assert.deepEqual(
      rest.requests.map(({ headers }) => headers['upstash-sync-token']),
      ['', 'abc'],
    );
  });

  test('a server that sends back what it was sent gives nothing of it away', async (t) => {
    const rest = await startFakeRest(t, [
      (request, response) =>
        answer(400, { error: `no: ${request.headers.authorization}` })(request, response),
    ]);
    const { fail } = connect(t, rest);
    assert.match((await fail({ repeatable: false })).message, /no: Bearer \*\*\*/);
  });

  test('a server that does not answer leaves the request unknown', async (t) => {
    const rest = await startFakeRest(t, [() => {}]);
    const { fail } = connect(t, rest);

    const error = await fail({ repeatable: false, timeoutMs: 50 });

    assert.equal(error.mayHaveRun, true);
    assert.match(error.message, /did not answer in time/);
  });

  test('a refused connection ran nothing', async (t) => {
    const { fail, waits } = connect(t, {
      url: `http://127.0.0.1:${await closedPort()}`,
      token: 'planted-token',
    });

    const error = await fail({ repeatable: false });

    assert.equal(error.mayHaveRun, false);
    assert.match(error.message, /cannot be reached \(ECONNREFUSED\)/);
    assert.equal(waits.length, 3);
  });

  test('one request carries all commands, with the token and without telemetry', async (t) => {
    const rest = await startFakeRest(t, [
      answer(200, [{ result: 1 }, { result: null }, { error: 'ERR no' }]),
    ]);
    const { redis } = connect(t, rest);

    await redis.send(
      [
        ['HLEN', 'h'],
        ['GET', 'a'],
        ['EXPIRE', 'a', 1.5],
      ],
      { repeatable: false },
    );

    const [request] = rest.requests;
    assert.equal(rest.requests.length, 1);
    assert.equal(request?.method, 'POST');
    assert.equal(request?.url, '/pipeline');
    assert.equal(request?.headers.authorization, 'Bearer planted-token');
    assert.ok(!Object.keys(request?.headers ?? {}).some((name) => name.startsWith('upstash-telemetry')));
    assert.deepEqual(JSON.parse(rest.bodies[0] ?? ''), [
      ['HLEN', 'h'],
      ['GET', 'a'],
      ['EXPIRE', 'a', '1.5'],
    ]);
  });

  test('a script goes by its text once, then by its hash, and by its text again where Redis lost it', async (t) => {
    const rest = await startFakeRest(t, [
      answer(200, [{ result: 1 }]),
      answer(200, [{ result: 2 }, { result: 'x' }]),
      answer(200, [{ result: 'x' }, { error: 'NOSCRIPT No matching script. Please use EVAL.' }]),
      answer(200, [{ result: 3 }]),
    ]);
    const { redis } = connect(t, rest);
    const script = defineScript('s', 'return 1');
    const call = { script, keys: ['k'], args: [7] };

    const replies = [
      await redis.send([call], { repeatable: false }),
      await redis.send([call, ['GET', 'a']], { repeatable: false }),
      await redis.send([['GET', 'a'], call], { repeatable: false }),
    ];

    assert.deepEqual(replies, [[1], [2, 'x'], ['x', 3]]);
    const names = rest.bodies.map((body) => JSON.parse(body).map((command: string[]) => command.slice(0, 2)));
    assert.deepEqual(names, [
      [['EVAL', 'return 1']],
      [
        ['EVALSHA', script.sha1],
        ['GET', 'a'],
      ],
      [
        ['GET', 'a'],
        ['EVALSHA', script.sha1],
      ],
      [['EVAL', 'return 1']],
    ]);
  });
});

describe('a URL or token that cannot be used is refused at once, without repeating it', () => {
  for (const options of [
    { url: 'planted' },
    { url: 'ftp://planted' },
    { url: 'https://planted.example' },
    { url: 'https://user:planted@example.org', token: 'x' },
    { url: 'https://example.org', token: 'planted\n' },
    { url: 'https://example.org?planted', token: 'x' },
    { url: 'redis://:planted%@127.0.0.1' },
  ]) {
    test(JSON.stringify(options), () => {
      assert.throws(
        () => createRedis(options),
        (error) => error instanceof ConfigError && !PLANTED.test(inspect(error)),
      );
    });
  }
});
