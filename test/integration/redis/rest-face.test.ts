import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
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

  test('encodes strings at every depth in base64, and nothing else', async () => {
    const { body } = await post<Slot[]>(
      '/pipeline',
      [
        ['SET', 'a', 'ü'],
        ['GET', 'a'],
        ['GET', 'none'],
        ['INCR', 'n'],
        ['EVAL', "return {'x', 7, {'', false}}", 0],
        ['HGET', 'a', 'f'],
      ],
      { 'Upstash-Encoding': 'base64' },
    );
    assert.deepEqual(body.slice(0, 5), [
      { result: btoa('OK') },
      { result: 'w7w=' },
      { result: null },
      { result: 1 },
      { result: [btoa('x'), 7, ['', null]] },
    ]);
    assert.match(body[5]?.error ?? '', /^WRONGTYPE/);
  });

  test('writes an integer beyond 2^53 with all its digits', async () => {
    const response = await fetch(`${face.url}/incrby/n/9007199254740993?_token=${TOKEN}`);
    assert.equal(await response.text(), '{"result":9007199254740993}');
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
    ['MULTI in a pipeline', '/pipeline', '[["multi"]]'],
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
