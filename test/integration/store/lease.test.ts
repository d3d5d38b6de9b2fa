import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { ScriptCall } from '../../../lib/redis/redis.ts';
import {
  acquireCall,
  newLeaseToken,
  releaseCall,
  renewCall,
  sendLeaseCall,
} from '../../../lib/store/lease-calls.ts';
import { redisForSuite } from '../../support/redis.ts';
import { REDIS_STACKS } from '../../support/redis-stacks.ts';

const KEY = '{p2p}:lease:test';

for (const stack of REDIS_STACKS) {
  describe(`a lease, ${stack.title}`, stack.suite, () => {
    const testRedis = redisForSuite(stack.redis);
    beforeEach(() => testRedis().command('DEL', KEY));
    const send = (call: ScriptCall) => sendLeaseCall(testRedis().redis, call);
    const leftMs = async () => Number(await testRedis().command('PTTL', KEY));

    test('is held by one token only, until it is released', async () => {
      const [a, b] = [newLeaseToken(), newLeaseToken()];
      assert.notEqual(a, b);

      assert.equal(await send(acquireCall(KEY, a, 60_000)), true);
      assert.equal(await send(acquireCall(KEY, b, 60_000)), false);
      assert.equal(await send(releaseCall(KEY, b)), false);
      assert.equal(await testRedis().command('GET', KEY), a);
      assert.equal(await send(releaseCall(KEY, a)), true);
      assert.equal(await send(acquireCall(KEY, b, 60_000)), true);
    });

    test('can be taken again with the token that has it: a lost reply is no stranger', async () => {
      await send(acquireCall(KEY, 'a', 1_000));
      assert.equal(await send(acquireCall(KEY, 'a', 60_000)), true);
      assert.ok((await leftMs()) > 1_000);
    });

    test('is prolonged by its holder alone', async () => {
      await send(acquireCall(KEY, 'a', 30_000));

      assert.equal(await send(renewCall(KEY, 'b', 90_000)), false);
      assert.ok((await leftMs()) <= 30_000);
      assert.equal(await send(renewCall(KEY, 'a', 90_000)), true);
      assert.ok((await leftMs()) > 30_000);
    });

    test('that has ended is not brought back by a renewal or a release', async () => {
      assert.equal(await send(renewCall(KEY, 'a', 90_000)), false);
      assert.equal(await send(releaseCall(KEY, 'a')), false);
      assert.equal(await testRedis().command('EXISTS', KEY), 0);
    });

    test('ends by itself', async () => {
      await send(acquireCall(KEY, 'a', 1));
      while ((await testRedis().command('EXISTS', KEY)) === 1);
      assert.equal(await send(acquireCall(KEY, 'b', 60_000)), true);
    });

    test('replaces what is no lease: another type, or a token that would stay too long', async () => {
      const damages = [
        () => testRedis().command('RPUSH', KEY, 'x'),
        () => testRedis().command('HSET', KEY, 'f', 'v'),
        () => testRedis().command('SET', KEY, 'b'),
        () => testRedis().command('SET', KEY, 'b', 'PX', 120_000),
      ];
      for (const damage of damages) {
        await testRedis().command('DEL', KEY);
        await damage();
        assert.equal(await send(renewCall(KEY, 'a', 60_000)), false);
        assert.equal(await send(releaseCall(KEY, 'a')), false);
        assert.equal(await send(acquireCall(KEY, 'a', 60_000)), true);
        assert.equal(await testRedis().command('GET', KEY), 'a');
        assert.ok((await leftMs()) > 0);
      }
    });
  });
}
