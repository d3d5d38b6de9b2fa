import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { ScriptCall } from '../../../lib/redis/redis.ts';
import { LEASE_MS, releaseCall, renewCall } from '../../../lib/store/lease.ts';
import { redisForSuite } from '../../support/redis.ts';
import { REDIS_STACKS } from '../../support/redis-stacks.ts';

const KEY = '{p2p}:lease:test';

for (const stack of REDIS_STACKS) {
  describe(`a lease, ${stack.title}`, stack.suite, () => {
    const testRedis = redisForSuite(stack.redis);
    beforeEach(() => testRedis().command('DEL', KEY));
    const send = async (call: ScriptCall) => (await testRedis().redis.send([call], { repeatable: true }))[0];
    const leftMs = async () => Number(await testRedis().command('PTTL', KEY));

    test('is prolonged by its holder alone', async () => {
      await testRedis().command('SET', KEY, 'a', 'PX', LEASE_MS / 2);

      assert.equal(await send(renewCall(KEY, 'b')), 0);
      assert.ok((await leftMs()) <= LEASE_MS / 2);
      assert.equal(await send(renewCall(KEY, 'a')), 1);
      assert.ok((await leftMs()) > LEASE_MS / 2);
    });

    test('is given up by its holder alone', async () => {
      await testRedis().command('SET', KEY, 'a', 'PX', LEASE_MS);

      assert.equal(await send(releaseCall(KEY, 'b')), 0);
      assert.equal(await testRedis().command('GET', KEY), 'a');
      assert.equal(await send(releaseCall(KEY, 'a')), 1);
      assert.equal(await testRedis().command('EXISTS', KEY), 0);
    });

    test('that has ended is not brought back by a renewal or a release', async () => {
      assert.equal(await send(renewCall(KEY, 'a')), 0);
      assert.equal(await send(releaseCall(KEY, 'a')), 0);
      assert.equal(await testRedis().command('EXISTS', KEY), 0);
    });

    test('is nobody’s where the key holds another type', async () => {
      await testRedis().command('RPUSH', KEY, 'x');
      assert.equal(await send(renewCall(KEY, 'a')), 0);
      assert.equal(await send(releaseCall(KEY, 'a')), 0);
    });
  });
}
