import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { RedisReplyError } from '../../../lib/errors.ts';
import type { Command, Reply, ScriptCall } from '../../../lib/redis/redis.ts';
import { defineScript } from '../../../lib/redis/script.ts';
import { redisForSuite } from '../../support/redis.ts';
import { REDIS_STACKS } from '../../support/redis-stacks.ts';

for (const stack of REDIS_STACKS) {
  describe(stack.title, stack.suite, () => {
    const testRedis = redisForSuite(stack.redis);
    /** A key of this test alone. */
    let key: string;
    beforeEach(() => {
      key = `{p2p}:${randomUUID()}`;
    });

    const send = (...requests: (Command | ScriptCall)[]) =>
      testRedis().redis.send(requests, { repeatable: false, timeoutMs: 30_000 });
    const one = (...command: Command) => testRedis().command(...command);
    const lua = async (text: string, keys: string[] = [], args: (string | number)[] = []): Promise<Reply> => {
      const [reply] = await send({ script: defineScript('test', text), keys, args });
      if (reply instanceof RedisReplyError) throw reply;
      return reply ?? null;
    };

    describe('replies are exact', () => {
      for (const value of [
        '',
        '123',
        '00123',
        '-0',
        '1.0',
        '1e3',
        '12345678901234567890',
        'OK',
        'T0s=',
        'null',
        'true',
        '{"a":1}',
        '[1,2]',
        'line\r\nend\0nul\t"quote"\\',
        'Grüße, 世界 🌍',
        '\ufeffstarts with a byte order mark',
        'x'.repeat(200_000),
      ]) {
        test(`the string ${JSON.stringify(value).slice(0, 30)} comes back as it was`, async () => {
          await one('SET', key, value);
          await one('HSET', `${key}:hash`, value, value);

          assert.equal(await one('GET', key), value);
          assert.deepEqual(await one('HGETALL', `${key}:hash`), [value, value]);
          assert.deepEqual(await lua('return {{ARGV[1]}, redis.call("GET", KEYS[1])}', [key], [value]), [
            [value],
            value,
          ]);
        });
      }

      test('whatever text is written comes back, as field and as value', async () => {
        const unit = fc
          .oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0x10ffff }))
          .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
          .map((codePoint) => String.fromCodePoint(codePoint));
        const text = fc.string({ unit, maxLength: 30 });
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(text, { minLength: 1, maxLength: 20 }), async (texts) => {
            const [, , values] = await send(
              ['DEL', key],
              ['HSET', key, ...texts.flatMap((each) => [each, each])],
              ['HMGET', key, ...texts],
            );
            assert.deepEqual(values, texts);
          }),
          { numRuns: 25 },
        );
      });

      test('an integer is a number, and what is absent is null', async () => {
        assert.equal(await one('HINCRBY', key, 'n', 41), 41);
        assert.equal(await one('HINCRBY', key, 'n', -43), -2);
        assert.equal(await one('HGET', key, 'n'), '-2');
        assert.equal(await one('GET', `${key}:none`), null);
        assert.deepEqual(await one('HMGET', key, 'n', 'none'), ['-2', null]);
        assert.deepEqual(await one('HGETALL', `${key}:none`), []);
      });

      test('an integer up to 2^53 is exact, and one beyond is never rounded', async () => {
        assert.equal(await one('HINCRBY', key, 'n', Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
        const [beyond] = await send(['HINCRBY', key, 'n', 2]);

        if (stack.redis.transport === 'tcp') assert.equal(beyond, '9007199254740993');
        else assert.match(String(beyond), /JSON cannot carry exactly/);
        assert.equal(await one('HGET', key, 'n'), '9007199254740993');
      });

      test('arrays nest, with strings, numbers and null at every depth', async () => {
        const reply = await lua("return {'1', 1, false, {'2', 2, false, {'3', {}, 3}}}");

        assert.deepEqual(reply, ['1', 1, null, ['2', 2, null, ['3', [], 3]]]);
      });
    });

    describe('commands', () => {
      test('SET takes NX and PX, and PTTL, PEXPIRE and DEL see the key', async () => {
        assert.equal(await one('SET', key, 'a', 'NX', 'PX', 60_000), 'OK');
        assert.equal(await one('SET', key, 'b', 'NX', 'PX', 60_000), null);
        assert.equal(await one('PEXPIRE', key, 90_000), 1);
        const left = await one('PTTL', key);
        assert.ok(typeof left === 'number' && left > 60_000 && left <= 90_000);
        assert.equal(await one('DEL', key), 1);
        assert.equal(await one('PEXPIRE', key, 1_000), 0);
      });

      test('a hash is written, counted and thinned', async () => {
        assert.equal(await one('HSET', key, 'a', '1', 'b', '2', 'c', '3'), 3);
        assert.equal(await one('HSET', key, 'a', '9'), 0);
        assert.equal(await one('HSETNX', key, 'a', '8'), 0);
        assert.equal(await one('HGET', key, 'a'), '9');
        assert.equal(await one('HEXISTS', key, 'b'), 1);
        assert.equal(await one('HDEL', key, 'b', 'none'), 1);
        assert.equal(await one('HLEN', key), 2);
        assert.deepEqual(new Set((await one('HKEYS', key)) as string[]), new Set(['a', 'c']));
      });

      test('HSCAN walks a large hash to cursor 0 and shows every field', async () => {
        const fields = Array.from({ length: 1_200 }, (_, i) => `field-${i}`);
        await one('HSET', key, ...fields.flatMap((field) => [field, `v-${field}`]));

        const seen = new Map<Reply, Reply>();
        let cursor: Reply = '0';
        do {
          const [next, page] = (await one('HSCAN', key, cursor as string, 'COUNT', 100)) as [
            string,
            string[],
          ];
          assert.equal(typeof next, 'string');
          for (let i = 0; i < page.length; i += 2) seen.set(page[i] ?? null, page[i + 1] ?? null);
          cursor = next;
        } while (cursor !== '0');

        assert.deepEqual(seen, new Map(fields.map((field) => [field, `v-${field}`])));
      });

      test('HSCAN of what is absent is an empty page with cursor 0', async () => {
        assert.deepEqual(await one('HSCAN', key, 0, 'COUNT', 10), ['0', []]);
      });

      test('a sorted set answers by score, in order, with scores of 13 digits whole', async () => {
        assert.equal(await one('ZADD', key, 1_732_400_000_123, 'late', 5, 'early', 7, 'middle'), 3);
        assert.equal(await one('ZADD', key, 6, 'middle'), 0);
        assert.deepEqual(await one('ZRANGEBYSCORE', key, '-inf', 6, 'LIMIT', 0, 10), ['early', 'middle']);
        assert.deepEqual(await one('ZRANGEBYSCORE', key, '(6', '+inf', 'WITHSCORES'), [
          'late',
          '1732400000123',
        ]);
        assert.deepEqual(await one('ZRANGE', key, 0, 0, 'WITHSCORES'), ['early', '5']);
        assert.equal(await one('ZCOUNT', key, '-inf', 6), 2);
        assert.equal(await one('ZSCORE', key, 'late'), '1732400000123');
        assert.equal(await one('ZREM', key, 'early', 'none'), 1);
        assert.equal(await one('ZCARD', key), 2);
      });

      test('a stream is appended to, trimmed about, and read backwards', async () => {
        for (const n of [1, 2, 3]) {
          const id = await one('XADD', key, 'MAXLEN', '~', 500, '*', 'n', n, 'text', 'ü');
          assert.match(String(id), /^\d+-\d+$/);
        }
        const entries = (await one('XREVRANGE', key, '+', '-', 'COUNT', 2)) as [string, string[]][];
        assert.deepEqual(
          entries.map(([, fields]) => fields),
          [
            ['n', '3', 'text', 'ü'],
            ['n', '2', 'text', 'ü'],
          ],
        );
        assert.equal(await one('XLEN', key), 3);
      });

      test('TIME answers seconds and microseconds as two strings', async () => {
        const time = await one('TIME');
        assert.ok(Array.isArray(time) && time.length === 2);
        for (const part of time) assert.match(part as string, /^\d+$/);
      });

      test('TYPE names each type that is used', async () => {
        await send(['SET', `${key}s`, ''], ['HSET', `${key}h`, 'f', ''], ['ZADD', `${key}z`, 1, 'm']);
        await one('XADD', `${key}x`, '*', 'f', 'v');
        const types = await send(...['s', 'h', 'z', 'x', '-'].map((end): Command => ['TYPE', key + end]));
        assert.deepEqual(types, ['string', 'hash', 'zset', 'stream', 'none']);
      });

      test('INFO tells a version, and CONFIG GET the eviction policy where it is allowed', async () => {
        const [info, config] = await send(['INFO', 'server'], ['CONFIG', 'GET', 'maxmemory-policy']);
        assert.match(String(info), /redis_version:/);
        assert.ok(config instanceof RedisReplyError || Array.isArray(config));
      });

      test('a command name in lower case gives the same reply', async () => {
        await one('HSET', key, 'f', 'v');
        assert.deepEqual(await one('hgetall', key), ['f', 'v']);
      });
    });

    describe('errors', () => {
      test('stand in the place of their command while the others run', async () => {
        await one('HSET', key, 'f', 'v');

        const [set, wrongType, unknown, arity, get] = await send(
          ['SET', `${key}:s`, '1'],
          ['GET', key],
          ['NOSUCHCOMMAND', 'planted-value-1', 'planted-value-2'],
          ['HGET', key],
          ['GET', `${key}:s`],
        );

        assert.equal(set, 'OK');
        assert.ok(wrongType instanceof RedisReplyError && wrongType.code === 'WRONGTYPE');
        assert.ok(unknown instanceof RedisReplyError && unknown.code === 'ERR');
        assert.doesNotMatch(unknown.message, /planted/);
        assert.ok(arity instanceof RedisReplyError && arity.code === 'ERR');
        assert.equal(get, '1');
      });

      test('a single command that fails is answered, not thrown', async () => {
        await one('HSET', key, 'f', 'v');
        const [reply] = await send(['INCR', key]);
        assert.ok(reply instanceof RedisReplyError && reply.code === 'WRONGTYPE');
      });

      test('an error that a script returns keeps its code and text', async () => {
        const [reply] = await send({
          script: defineScript('test', "return redis.error_reply('STALE the ticket is old')"),
          keys: [],
          args: [],
        });
        assert.ok(reply instanceof RedisReplyError);
        assert.equal(reply.code, 'STALE');
        assert.equal(reply.message, 'STALE the ticket is old');
      });

      test('NOSCRIPT of a plain EVALSHA keeps its code', async () => {
        const [reply] = await send(['EVALSHA', 'f'.repeat(40), 0]);
        assert.ok(reply instanceof RedisReplyError && reply.code === 'NOSCRIPT');
        assert.match(reply.message, /^NOSCRIPT No matching script\./);
      });
    });

    describe('scripts', () => {
      const count = defineScript('count', "return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)");
      const other = defineScript('other', "return redis.call('HINCRBY', KEYS[1], ARGV[1], 10)");

      test('run with keys and arguments, and see cjson', async () => {
        const reply = await lua(
          `local record = cjson.decode(ARGV[1])
           record.n = record.n + 1
           redis.call('SET', KEYS[1], cjson.encode(record))
           return {record.n, cjson.decode(redis.call('GET', KEYS[1])).name}`,
          [key],
          ['{"n":1732400000123,"name":"ü"}'],
        );
        assert.deepEqual(reply, [1_732_400_000_124, 'ü']);
      });

      test('that Redis has lost run once each, in place, by EVAL', async () => {
        const call = (script: typeof count): ScriptCall => ({ script, keys: [key], args: ['n'] });
        await send(call(count), call(other));
        await one('SCRIPT', 'FLUSH');

        const replies = await send(['HGET', key, 'n'], call(count), ['HLEN', key], call(other));

        assert.deepEqual(replies, ['11', 12, 1, 22]);
        assert.deepEqual(await send(call(count)), [23]);
      });

      test('that fail half-way keep what they wrote, and say so with their error', async () => {
        const [reply] = await send({
          script: defineScript('half', "redis.call('SET', KEYS[1], 'written') redis.call('HLEN', KEYS[1])"),
          keys: [key],
          args: [],
        });
        assert.ok(reply instanceof RedisReplyError);
        assert.equal(await one('GET', key), 'written');
      });
    });

    test('concurrent requests get their own replies', async () => {
      const numbers = Array.from({ length: 50 }, (_, i) => i);
      await one('HSET', key, ...numbers.flatMap((i) => [`f${i}`, `v${i}`]));

      const replies = await Promise.all(numbers.map((i) => send(['HGET', key, `f${i}`], ['HLEN', key])));

      assert.deepEqual(
        replies,
        numbers.map((i) => [`v${i}`, 50]),
      );
    });

    test('a request without commands asks nobody', async () => {
      assert.deepEqual(await send(), []);
    });

    test('a pipeline of 2,000 commands answers each', async () => {
      const numbers = Array.from({ length: 2_000 }, (_, i) => i);
      await one('MSET', ...numbers.flatMap((i) => [`${key}:${i}`, i]));

      const replies = await send(...numbers.map((i): Command => ['GET', `${key}:${i}`]));

      assert.equal(replies.join(), numbers.join());
    });
  });
}
