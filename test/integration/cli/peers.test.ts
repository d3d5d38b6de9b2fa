import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Redis } from '../../../lib/redis/redis.ts';
import { encodeHealth, NO_OUTCOMES } from '../../../lib/store/health-record.ts';
import { countingRedis } from '../../support/counting-redis.ts';
import { redisForSuite } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { envOf, faultsOfText, KEYS, LOCAL_UUID, p2p, redisNow } from './harness.ts';

for (const transport of ['tcp', 'rest'] as const) {
  describe(`peers, over ${transport}`, () => {
    const testRedis = redisForSuite({ transport });
    const run = (...args: string[]) => p2p(args, { env: envOf(testRedis()) });
    const entry = (key: string, uuid: string) => testRedis().command('HGET', key, uuid);
    beforeEach(async () => {
      await testRedis().command('FLUSHALL');
      await testRedis().command('SET', KEYS.uuid, LOCAL_UUID);
    });

    test('are added by the rules by which they are called', async () => {
      const added = await run('consumers', 'add', uuidOf(1).toUpperCase(), '8.8.8.8');
      assert.equal(added.code, 0);
      assert.equal(await entry(KEYS.consumers, uuidOf(1)), '8.8.8.8', 'without a port PEER_PORT is meant');
      const v6 = await run('producers', 'add', uuidOf(2), '[2001:4860:4860:0:0:0:0:8888]:8080');
      assert.equal(v6.code, 0);
      assert.equal(await entry(KEYS.producers, uuidOf(2)), '[2001:4860:4860::8888]:8080');
      assert.match(v6.out, /hears of the next\s+change/);
      assert.equal(await testRedis().command('EXISTS', KEYS.due), 0, 'adding a producer makes nothing due');
    });

    test('whose key, or the register, has another type are not shown, and the key is named', async () => {
      for (const key of [KEYS.consumers, KEYS.ip]) {
        await testRedis().command('RPUSH', key, 'x');
        const { code, err } = await run('consumers');
        assert.equal(code, 3);
        assert.ok(err.startsWith(`Redis refused a command: WRONGTYPE ${key}: `), err);
        await testRedis().command('DEL', key);
      }
    });

    test('that may not be called are refused, and nothing is written', async () => {
      await testRedis().command('HSET', KEYS.ip, 'current', '203.0.113.7', 'epoch', 1);
      for (const [uuid, address, said] of [
        ['nobody', '8.8.8.8', /"nobody" is no UUID/],
        [uuidOf(1), '8.8.8.8:0', /no address/],
        [uuidOf(1), 'peer.example.org', /Names are not looked up/],
        [uuidOf(1), '10.0.0.1', /PEER_ALLOW_CIDRS/],
        [uuidOf(1), '169.254.169.254', /is never called/],
        [uuidOf(1), '\u001b[31m', /"\\u\{1b\}\[31m" is no address/],
        [LOCAL_UUID, '8.8.8.8', /this consumer itself/],
      ] as const) {
        const { code, err } = await run('consumers', 'add', uuid, address);
        assert.equal(code, 2);
        assert.match(err.replaceAll('\n', ' '), said);
      }
      const env = { ...envOf(testRedis()), PEER_ALLOW_CIDRS: '203.0.113.0/24' };
      const own = await p2p(['consumers', 'add', uuidOf(1), '203.0.113.7'], { env });
      assert.match(own.err, /own address/);
      assert.equal(await testRedis().command('EXISTS', KEYS.consumers), 0);
    });

    test('that are known elsewhere move only when that is meant', async () => {
      await testRedis().command('HSET', KEYS.consumers, uuidOf(0xab).toUpperCase(), '8.8.8.8');
      const again = await run('consumers', 'add', uuidOf(0xab), '8.8.8.8:80', '--json');
      assert.equal(again.code, 0);
      assert.equal(again.json().done, 'unchanged');
      const elsewhere = await run('consumers', 'add', uuidOf(0xab), '8.8.4.4');
      assert.equal(elsewhere.code, 1);
      assert.match(elsewhere.err, /--replace/);
      const moved = await run('consumers', 'add', uuidOf(0xab), '8.8.4.4', '--replace', '--json');
      assert.deepEqual(moved.json(), {
        done: 'moved',
        uuid: uuidOf(0xab),
        address: '8.8.4.4',
        before: '8.8.8.8',
      });
      assert.equal(
        await entry(KEYS.consumers, uuidOf(0xab).toUpperCase()),
        '8.8.4.4',
        'in the spelling that was there',
      );
      assert.equal(await testRedis().command('HLEN', KEYS.consumers), 1);
    });

    test('that somebody else adds at the same moment stay as they added them', async () => {
      const { redis } = testRedis();
      const racing: Redis = {
        async send(requests, options) {
          const adds = requests.some((request) => !('script' in request) && /^HSET/.test(request[0]));
          if (adds) await testRedis().command('HSET', KEYS.consumers, uuidOf(1), '8.8.4.4');
          return redis.send(requests, options);
        },
        close: async () => undefined,
      };
      const { code, err } = await p2p(['consumers', 'add', uuidOf(1), '8.8.8.8'], {
        env: envOf(testRedis()),
        brought: { redis: racing },
      });
      assert.equal(code, 1);
      assert.match(err, /added by somebody else/);
      assert.equal(await entry(KEYS.consumers, uuidOf(1)), '8.8.4.4');
    });

    test('are removed, once', async () => {
      await testRedis().command('HSET', KEYS.producers, uuidOf(1), '8.8.8.8');
      assert.equal((await run('producers', 'remove', uuidOf(1))).code, 0);
      assert.equal(await testRedis().command('EXISTS', KEYS.producers), 0);
      const again = await run('producers', 'remove', uuidOf(1));
      assert.equal(again.code, 1);
      assert.match(again.out, /is no producer/);
    });

    test("are not touched in another consumer's Redis", async () => {
      await testRedis().command('SET', KEYS.uuid, uuidOf(9));
      const { code, err } = await run('consumers', 'add', uuidOf(1), '8.8.8.8');
      assert.equal(code, 3);
      assert.match(err, /belongs to another consumer/);
      assert.equal(await testRedis().command('EXISTS', KEYS.consumers), 0);
    });

    test('are listed with what is known about each, the filters applied', async () => {
      const now = await redisNow(testRedis());
      const health = (n: number, more: object) =>
        encodeHealth({ state: 'alive', address: `8.8.8.${n}:80`, since: now, recent: NO_OUTCOMES, ...more });
      await testRedis().command(
        'HSET',
        KEYS.consumers,
        ...[1, 2, 3].flatMap((n) => [uuidOf(n), `8.8.8.${n}`]),
        uuidOf(4),
        '192.168.1.1',
      );
      await testRedis().command('HSET', KEYS.health, uuidOf(1), health(1, { lastOk: now }));
      await testRedis().put(KEYS.health, {
        [uuidOf(2)]: health(2, {
          state: 'dead',
          lastFail: now,
          fails: 4,
          counted: 4,
          lastError: 'wrong-identity',
          due: now + 600_000,
        }),
      });
      const text = await run('consumers');
      assert.equal(text.code, 0);
      assert.deepEqual(faultsOfText(text.out), []);
      assert.match(text.out, /^4 consumers known: /);
      assert.match(text.out, /^00000001 {2}8\.8\.8\.1 +alive +\d+s +\d+s +- +round$/m);
      assert.match(text.out, /^00000002 {2}8\.8\.8\.2 +dead +\d+s +- +wrong-identity +10m$/m);
      assert.match(text.out, /^00000004 {2}192\.168\.1\.1 +unusable +- +- +not-public +never$/m);
      const some = (await run('consumers', '--json', '--state', 'dead,new')).json().consumers as {
        uuid: string;
      }[];
      assert.deepEqual(
        some.map(({ uuid }) => uuid),
        [uuidOf(2), uuidOf(3)],
      );
      const one = (await run('consumers', '--json', '--uuid', '00000003-')).json().consumers as {
        uuid: string;
      }[];
      assert.deepEqual(
        one.map(({ uuid }) => uuid),
        [uuidOf(3)],
      );
      assert.match((await run('consumers', '--wide')).out, new RegExp(uuidOf(1)));
      assert.equal((await run('consumers', '--state', 'bored')).code, 2);
      assert.equal((await run('consumers', '--uuid', '*')).code, 2);
      assert.equal((await run('consumers', '--limit', '-1')).code, 2);
    });

    test('do not count ourselves, neither in the list nor in the status nor in doctor', async () => {
      const others = [1, 2, 3].flatMap((n) => [uuidOf(n), `8.8.8.${n}`]);
      await testRedis().command('HSET', KEYS.consumers, ...others, LOCAL_UUID.toUpperCase(), '8.8.8.9');
      const { out } = await run('consumers');
      assert.match(out, /^3 consumers known: new 3, and ourselves$/m);
      assert.match(out, /^5e1f0000 {2}8\.8\.8\.9 +self /im);
      assert.match((await run('consumers', '--state', 'dead')).out, /^3 consumers known; 0 shown$/m);
      assert.match(
        (await run('consumers', '--state', 'self')).out,
        /^3 consumers known; 0 shown: ourselves$/m,
      );
      assert.match((await run('status')).out, /^consumers {2}3 known: .* 3 new$/m);
      assert.match((await run('doctor')).out, /consumers +3 known/);
      const listed = (await run('consumers', '--json')).json();
      assert.deepEqual([listed.entries, listed.known], [4, 3]);
      assert.equal((await run('consumers', '--json', '--uuid', '0')).json().known, undefined);
    });

    test('are read no further than they are shown', async () => {
      const entries = Array.from({ length: 4_000 }, (_, i) => [uuidOf(i), '127.0.0.1:9']).flat();
      await testRedis().command('HSET', KEYS.consumers, ...entries);
      const redis = countingRedis(testRedis().redis);
      const { out } = await p2p(['consumers', '--limit', '10'], {
        env: envOf(testRedis()),
        brought: { redis },
      });
      assert.match(out, /^4,000 entries of consumers; 10 shown/);
      assert.match(out, /There are more/);
      assert.ok(redis.sent.length <= 6, `${redis.sent.length} commands`);
    });

    test('that were removed while a delivery was due are missing producers', async () => {
      const now = await redisNow(testRedis());
      await testRedis().command('HSET', KEYS.ip, 'current', '203.0.113.7', 'epoch', now);
      await testRedis().put(KEYS.producers, {
        [uuidOf(1)]: '8.8.8.8',
        [uuidOf(2)]: '8.8.4.4',
        [uuidOf(3)]: '8.8.8.8:81',
      });
      await testRedis().put(KEYS.deliveries, {
        [uuidOf(1)]: JSON.stringify({ ackedEpoch: now, ackedAt: now }),
      });
      await testRedis().put(KEYS.deliveries, {
        [uuidOf(2)]: JSON.stringify({ leaseEpoch: now, attempts: 2, lastStatus: '503', firstAt: now }),
      });
      await testRedis().command('ZADD', KEYS.due, now + 120_000, uuidOf(2), now, uuidOf(7));
      const { out } = await run('producers');
      assert.deepEqual(faultsOfText(out), []);
      assert.match(out, /^3 producers known; 4 shown: told 1, retrying 1, missing 1, new 1$/m);
      assert.match(out, /^00000001 {2}8\.8\.8\.8 +told +\d+s +\d+s +0 +- +change$/m);
      assert.match(out, /^00000002 {2}8\.8\.4\.4 +retrying +\d+s +- +2 +503 +2m$/m);
      assert.match(out, /^00000007 {2}- +missing /m);
      const missing = (await run('producers', '--state', 'missing', '--json')).json().producers as {
        uuid: string;
      }[];
      assert.deepEqual(
        missing.map(({ uuid }) => uuid),
        [uuidOf(7)],
      );
    });
  });
}
