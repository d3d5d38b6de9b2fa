import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { IdentityError, RedisReplyError } from '../../../lib/errors.ts';
import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import { verifyIdentity } from '../../../lib/store/identity.ts';
import { createKeys } from '../../../lib/store/keys.ts';
import { redisForSuite } from '../../support/redis.ts';

const OURS = uuid('1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b');
const OTHER = uuid('7d444840-9dc0-41d1-b245-5ffdce74fad2');
const keys = createKeys('{p2p}:');

function uuid(text: string): Uuid {
  return parseUuid(text) ?? assert.fail(text);
}

describe('the identity of a Redis', () => {
  const testRedis = redisForSuite();
  beforeEach(() => testRedis().command('DEL', keys.uuid));

  const verify = async (localUuid = OURS) => {
    const { redis } = testRedis();
    const [reply] = await redis.send([['GET', keys.uuid]], { repeatable: true });
    await verifyIdentity(reply, { redis, keys, localUuid });
  };

  test('is ours from the first run on', async () => {
    await verify();
    assert.equal(await testRedis().command('GET', keys.uuid), OURS);
    await verify();
  });

  test('is compared in its canonical form, and left as the consumer API wrote it', async () => {
    await testRedis().command('SET', keys.uuid, OURS.toUpperCase());
    await verify();
    assert.equal(await testRedis().command('GET', keys.uuid), OURS.toUpperCase());
  });

  test('of another consumer stops us, says what to do, and is not changed', async () => {
    await testRedis().command('SET', keys.uuid, OTHER);

    await assert.rejects(verify(), (error) => {
      assert.ok(error instanceof IdentityError);
      assert.match(error.message, /\{p2p\}:uuid differs from LOCAL_UUID/);
      assert.match(error.message, /REDIS_URL/);
      assert.ok(!error.message.includes(OTHER));
      return true;
    });
    assert.equal(await testRedis().command('GET', keys.uuid), OTHER);
  });

  test('belongs to the first of two that find none', async () => {
    const { redis } = testRedis();
    const first = { redis, keys, localUuid: OURS };
    const second = { redis, keys, localUuid: OTHER };

    const results = await Promise.allSettled([verifyIdentity(null, first), verifyIdentity(null, second)]);

    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  test('that is no UUID, or of another type, stops us', async () => {
    await testRedis().command('SET', keys.uuid, 'not-a-uuid');
    await assert.rejects(verify(), { name: 'IdentityError', message: /does not hold a UUID/ });
    await testRedis().command('DEL', keys.uuid);
    await testRedis().command('HSET', keys.uuid, 'f', OURS);
    await assert.rejects(verify(), { name: 'IdentityError', message: /must be a string/ });
  });

  test('that Redis refuses to tell is no identity', async () => {
    const { redis } = testRedis();
    const refusal = new RedisReplyError('NOPERM no');
    await assert.rejects(verifyIdentity(refusal, { redis, keys, localUuid: OURS }), refusal);
    assert.equal(await testRedis().command('EXISTS', keys.uuid), 0);
  });
});
