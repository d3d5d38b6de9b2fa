import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, type TestContext, test } from 'node:test';
import { Redis } from '@upstash/redis';
import { type RestFace, startRestFace } from '../../../local/redis/rest-face.ts';
import { closedPort } from '../../support/fake-redis.ts';
import { needsRealRedis, redisForSuite, startRedisServer } from '../../support/redis.ts';

const TOKEN = 'planted-token';

interface Slot {
  readonly result?: unknown;
  readonly error?: string;
}

describe('the REST face', () => {
  const testRedis = redisForSuite();
  let face: RestFace;
  before(async () => {
    face = await startRestFace({ redisUrl: testRedis().tcpUrl, token: TOKEN });
  });
  after(() => face.close());
  beforeEach(() => testRedis().command('FLUSHALL'));

  const ask = async <Body = Slot>(path: string, init: RequestInit = {}) => {
    const response = await fetch(`${face.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, ...init.headers },
    });
    assert.equal(response.headers.get('content-type'), 'application/json');
    return { status: response.status, body: (await response.json()) as Body };
  };
  const post = <Body = Slot>(path: string, body: unknown, headers = {}) =>
    ask<Body>(path, { method: 'POST', body: JSON.stringify(body), headers });

  test('takes a command as a JSON array', async () => {
    assert.deepEqual(await post('/', ['SET', 'foo', 'ü', 'EX', 100]), {
      status: 200,
      body: { result: 'OK' },
    });
    assert.deepEqual(await post('/', ['get', 'foo']), { status: 200, body: { result: 'ü' } });
    assert.deepEqual(await post('/', ['GET', 'none']), { status: 200, body: { result: null } });
    assert.deepEqual(await post('/', ['TTL', 'none']), { status: 200, body: { result: -2 } });
  });

  test('answers 400 for a command that fails', async () => {
    const { status, body } = await post('/', ['HGET', 'foo']);
    assert.equal(status, 400);
    assert.match(body.error ?? '', /^ERR wrong number of arguments/);
    assert.deepEqual(Object.keys(body), ['error']);
  });

  test('answers each command of a pipeline, errors in their place', async () => {
    const { status, body } = await post<Slot[]>('/pipeline', [
      ['SET', 'a', 1],
      ['HGET', 'a', 'f'],
      ['INCR', 'a'],
    ]);
    assert.equal(status, 200);
    assert.deepEqual(body[0], { result: 'OK' });
    assert.match(body[1]?.error ?? '', /^WRONGTYPE/);
    assert.deepEqual(body[2], { result: 2 });
  });

  test('runs a transaction as one', async () => {
    const { status, body } = await post<Slot[]>('/multi-exec', [
      ['SET', 'a', 1],
      ['HGET', 'a', 'f'],
      ['INCR', 'a'],
    ]);
    assert.equal(status, 200);
    assert.deepEqual(body[0], { result: 'OK' });
    assert.match(body[1]?.error ?? '', /^WRONGTYPE/);
    assert.deepEqual(body[2], { result: 2 });
  });

  test('discards a transaction with a command that cannot be queued', async () => {
    const { status, body } = await post('/multi-exec', [['SET', 'a', 1], ['NOSUCHCOMMAND']]);
    assert.equal(status, 400);
    assert.match(body.error ?? '', /^EXECABORT/);
    assert.deepEqual((await post('/', ['EXISTS', 'a'])).body, { result: 0 });
    assert.deepEqual((await post('/', ['SET', 'a', 1])).body, { result: 'OK' }, 'the connection is usable');
  });

  test('takes a command as a path, with options in the query', async () => {
    assert.deepEqual(await ask('/set/foo/b%2Fa%20r?EX=100&NX'), { status: 200, body: { result: 'OK' } });
    assert.deepEqual(await ask('/get/foo'), { status: 200, body: { result: 'b/a r' } });
    assert.deepEqual(await ask('/ttl/foo'), { status: 200, body: { result: 100 } });
    assert.deepEqual(await ask('/set/foo/x?NX'), { status: 200, body: { result: null } });
  });

  test('answers HEAD like GET, without a body', async () => {
    const response = await fetch(`${face.url}/get/foo?_token=${TOKEN}`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '');
  });

  test('takes the value as a raw body, before the options', async () => {
    const value = '{"a": [1, "ü"]}\r\n';
    assert.deepEqual(await ask('/set/foo?EX=100', { method: 'POST', body: value }), {
      status: 200,
      body: { result: 'OK' },
    });
    assert.equal(await testRedis().command('GET', 'foo'), value);
    assert.equal(await testRedis().command('TTL', 'foo'), 100);
  });

  test('takes the token from the query too, and does not pass it on', async () => {
    const response = await fetch(`${face.url}/set/foo/bar?_token=${TOKEN}`);
    assert.deepEqual(await response.json(), { result: 'OK' });
    assert.equal(await testRedis().command('GET', 'foo'), 'bar');
  });

  for (const path of ['/', '/pipeline', '/multi-exec', '/get/foo', '/nonsense']) {
    for (const authorization of ['', 'Bearer wrong', `Basic ${TOKEN}`, 'Bearer ', TOKEN]) {
      test(`answers 401 to ${path} with "${authorization}"`, async () => {
        const { status, body } = await ask(path, {
          method: 'POST',
          body: '["SET","foo","bar"]',
          headers: { authorization },
        });
        assert.equal(status, 401);
        assert.match(body.error ?? '', /^WRONGPASS/);
        assert.equal(await testRedis().command('EXISTS', 'foo'), 0);
      });
    }
  }

  test('encodes strings at every depth in base64, but for the answer OK', async () => {
    const { body } = await post<Slot[]>(
      '/pipeline',
      [
        ['SET', 'a', 'ü'],
        ['GET', 'a'],
        ['GET', 'none'],
        ['INCR', 'n'],
        ['EVAL', "return {'x', 7, {'', false}, 'OK'}", 0],
        ['HGET', 'a', 'f'],
      ],
      { 'Upstash-Encoding': 'base64' },
    );
    assert.deepEqual(body.slice(0, 5), [
      { result: 'OK' },
      { result: 'w7w=' },
      { result: null },
      { result: 1 },
      { result: [btoa('x'), 7, ['', null], btoa('OK')] },
    ]);
    assert.match(body[5]?.error ?? '', /^WRONGTYPE/);
  });

  test('writes an integer beyond 2^53 with all its digits', async () => {
    const response = await fetch(`${face.url}/incrby/n/9007199254740993?_token=${TOKEN}`);
    assert.equal(await response.text(), '{"result":9007199254740993}');
  });

  test('answers a command that is not available in its place, and runs the others', async () => {
    const { status, body } = await post<Slot[]>('/pipeline', [
      ['SET', 'a', 1],
      ['multi'],
      ['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'],
      ['INCR', 'a'],
    ]);
    assert.equal(status, 200);
    assert.deepEqual(body[0], { result: 'OK' });
    assert.match(body[1]?.error ?? '', /^ERR Command is not available: 'MULTI'/);
    assert.match(body[2]?.error ?? '', /^ERR XREAD with BLOCK is not available/);
    assert.deepEqual(body[3], { result: 2 });
  });

  test('holds nobody up where somebody asks for a blocking read', async () => {
    const blocking = post('/', ['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$']);
    assert.deepEqual(await post('/', ['SET', 'a', 1]), { status: 200, body: { result: 'OK' } });
    assert.equal((await blocking).status, 400);
  });

  test('takes BLOCK for the name of a stream where it is one', async () => {
    await testRedis().command('XADD', 'BLOCK', '1-1', 'f', 'v');
    const { body } = await post('/', ['XREAD', 'COUNT', 1, 'STREAMS', 'BLOCK', 0]);
    assert.deepEqual(body, { result: [['BLOCK', [['1-1', ['f', 'v']]]]] });
  });

  describe('with Upstash-Response-Format', () => {
    const raw = async (path: string, body: unknown, headers: Record<string, string>) => {
      const response = await fetch(`${face.url}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${TOKEN}`, ...headers },
      });
      return [response.status, response.headers.get('content-type'), await response.text()];
    };
    const resp2 = { 'Upstash-Response-Format': 'resp2' };
    const binary = 'application/octet-stream';

    test('resp2 answers as a connection would', async () => {
      assert.deepEqual(await raw('/', ['SET', 'a', 'ü'], resp2), [200, binary, '+OK\r\n']);
      assert.deepEqual(await raw('/', ['GET', 'a'], resp2), [200, binary, '$2\r\nü\r\n']);
      assert.deepEqual(await raw('/', ['GET', 'none'], resp2), [200, binary, '$-1\r\n']);
      const [, , several] = await raw(
        '/pipeline',
        [
          ['INCR', 'n'],
          ['HGET', 'a', 'f'],
          ['MGET', 'a', 'x'],
        ],
        resp2,
      );
      assert.match(String(several), /^:1\r\n-WRONGTYPE [^\r]+\r\n\*2\r\n\$2\r\nü\r\n\$-1\r\n$/);
    });

    test('resp2 answers an error of the request, and a transaction, in JSON', async () => {
      const [status, type, text] = await raw('/', ['HGET', 'a'], resp2);
      assert.deepEqual([status, type], [400, 'application/json']);
      assert.match(String(text), /^\{"error":"ERR wrong number/);
      assert.deepEqual(await raw('/multi-exec', [['SET', 'a', 1]], resp2), [
        200,
        'application/json',
        '[{"result":"OK"}]',
      ]);
    });

    test('takes json and no other, and no encoding beside resp2', async () => {
      const [status] = await raw('/', ['PING'], { 'Upstash-Response-Format': 'json' });
      assert.equal(status, 200);
      const bad = [{ 'Upstash-Response-Format': 'resp3' }, { ...resp2, 'Upstash-Encoding': 'base64' }];
      for (const headers of bad) {
        const [refused, type] = await raw('/', ['PING'], headers);
        assert.deepEqual([refused, type], [400, 'application/json']);
      }
    });
  });

  test('gives a new upstash-sync-token with each answer, and takes any', async () => {
    const tokens = [];
    for (const token of ['', 'whatever']) {
      const response = await fetch(`${face.url}/set/a/1`, {
        headers: { authorization: `Bearer ${TOKEN}`, 'upstash-sync-token': token },
      });
      tokens.push(response.headers.get('upstash-sync-token'));
    }
    assert.match(String(tokens[0]), /./);
    assert.notEqual(tokens[0], tokens[1]);
  });

  describe('with Accept: text/event-stream', () => {
    /** The events of a stream as they come. */
    async function* eventsOf(t: TestContext, path: string) {
      const leave = new AbortController();
      t.after(() => leave.abort());
      const response = await fetch(`${face.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, accept: 'text/event-stream' },
        signal: leave.signal,
      });
      assert.equal(response.headers.get('content-type'), 'text/event-stream');
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString();
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        yield* events;
      }
    }

    test('subscribes to a channel, and tells what is published there', async (t) => {
      const events = eventsOf(t, '/subscribe/chat');
      assert.equal((await events.next()).value, 'data: subscribe,chat,1');
      assert.deepEqual(await ask('/publish/chat/how%20are%20you%3F'), { status: 200, body: { result: 1 } });
      assert.equal((await events.next()).value, 'data: message,chat,how are you?');
      await post('/', ['PUBLISH', 'chat', 'two\nlines']);
      assert.equal((await events.next()).value, 'data: message,chat,two\ndata: lines');
    });

    test('subscribes to a pattern', needsRealRedis(), async (t) => {
      const events = eventsOf(t, '/psubscribe/c*');
      assert.equal((await events.next()).value, 'data: psubscribe,c*,1');
      await ask('/publish/chat/hi');
      assert.equal((await events.next()).value, 'data: pmessage,c*,chat,hi');
    });

    test('works with the client that Upstash publishes', async (t) => {
      const client = new Redis({ url: face.url, token: TOKEN, enableTelemetry: false });
      const subscriber = client.subscribe<string>('chat');
      t.after(() => subscriber.unsubscribe());
      const subscribed = Promise.withResolvers<void>();
      const received = Promise.withResolvers<unknown>();
      subscriber.on('subscribe', () => subscribed.resolve());
      subscriber.on('message', ({ message }) => received.resolve(message));
      await subscribed.promise;
      assert.equal(await client.publish('chat', 'hello'), 1);
      assert.equal(await received.promise, 'hello');
    });

    test('tells what every client does', needsRealRedis(), async (t) => {
      const events = eventsOf(t, '/monitor');
      assert.equal((await events.next()).value, 'data: "OK"');
      await ask('/get/k');
      assert.match(String((await events.next()).value), /^data: \d+\.\d+ \[0 [\d.:]+\] "get" "k"$/i);
    });

    test('needs a channel and the token', async () => {
      const headers = { accept: 'text/event-stream' };
      assert.equal((await ask('/subscribe/', { headers })).status, 400);
      assert.equal((await ask('/subscribe/a', { headers: { ...headers, authorization: '' } })).status, 401);
    });
  });

  for (const [title, path, body] of [
    ['no JSON', '/', '{'],
    ['no array', '/', '"GET"'],
    ['an empty command', '/', '[]'],
    ['an argument that is an object', '/', '["SET","a",{"b":1}]'],
    ['an empty pipeline', '/pipeline', '[]'],
    ['a pipeline of strings', '/pipeline', '["GET","a"]'],
    ['a broken percent escape', '/get/%ff', ''],
    ['SUBSCRIBE', '/subscribe/a', ''],
    ['MULTI in a transaction', '/multi-exec', '[["SET","a",1],["multi"]]'],
    ['XREAD that blocks', '/', '["xread","count",1,"block",0,"streams","s","$"]'],
    ['XREADGROUP that blocks', '/', '["XREADGROUP","GROUP","g","c","BLOCK",0,"STREAMS","s",">"]'],
    ['XREAD that blocks, as a path', '/xread/BLOCK/0/STREAMS/s/0', ''],
    ['SELECT', '/', '["select",1]'],
  ] as const) {
    test(`answers 400 to ${title}`, async () => {
      const { status, body: answer } = await ask(path, { method: 'POST', body });
      assert.equal(status, 400);
      assert.match(answer.error ?? '', /^ERR /);
    });
  }

  for (const [method, path] of [
    ['DELETE', '/'],
    ['GET', '/'],
    ['GET', '/pipeline'],
    ['PUT', '/multi-exec'],
    ['PATCH', '/get/a'],
  ] as const) {
    test(`answers 405 to ${method} ${path}`, async () => {
      assert.equal((await ask(path, { method })).status, 405);
    });
  }

  test('answers 413 to a body over 10 MiB, and goes on serving', async () => {
    const { status, body } = await post('/', ['SET', 'a', 'x'.repeat(10 * 1024 * 1024)]);
    assert.equal(status, 413);
    assert.match(body.error ?? '', /max request size exceeded/);
    assert.deepEqual(await ask('/exists/a'), { status: 200, body: { result: 0 } });
  });

  test('listens on loopback only', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.1', 'localhost', '']) {
      await assert.rejects(
        startRestFace({ redisUrl: 'redis://127.0.0.1:1', token: 't', host }),
        /loopback only/,
      );
    }
  });

  test('says when its port is in use', async () => {
    await assert.rejects(
      startRestFace({ redisUrl: 'redis://127.0.0.1:1', token: 't', port: Number(new URL(face.url).port) }),
      { code: 'EADDRINUSE' },
    );
  });

  test('answers 502 while there is no Redis behind it', async (t) => {
    const lonely = await startRestFace({
      redisUrl: `redis://:planted-password@127.0.0.1:${await closedPort()}`,
      token: TOKEN,
    });
    t.after(lonely.close);

    const response = await fetch(`${lonely.url}/get/foo?_token=${TOKEN}`);

    assert.equal(response.status, 502);
    const text = await response.text();
    assert.match(JSON.parse(text).error, /does not answer/);
    assert.doesNotMatch(text, /planted/);
  });

  test('serves again when the Redis behind it is back', needsRealRedis(), async (t) => {
    const server = await startRedisServer();
    t.after(server.stop);
    const survivor = await startRestFace({ redisUrl: server.url, token: TOKEN });
    t.after(survivor.close);
    const ping = async () => (await fetch(`${survivor.url}/ping?_token=${TOKEN}`)).status;

    assert.equal(await ping(), 200);
    await server.kill();
    assert.equal(await ping(), 502);
    await server.restart();
    while ((await ping()) !== 200);
  });
});
