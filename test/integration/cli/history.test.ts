import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { type Fields, redisForSuite } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { envOf, faultsOfText, KEYS, LOCAL_UUID, p2p, redisNow } from './harness.ts';

describe('p2p history', () => {
  const testRedis = redisForSuite();
  const run = (...args: string[]) => p2p(['history', ...args], { env: envOf(testRedis()) });
  beforeEach(async () => {
    await testRedis().command('FLUSHALL');
    await testRedis().command('SET', KEYS.uuid, LOCAL_UUID);
  });

  test('tells when the return to a former address waited', async () => {
    const at = await seed();
    await testRedis().append(KEYS.ipHistory, {
      damped: '203.0.113.1',
      current: '203.0.113.2',
      at: at + 30_000,
      votes: '{}',
    });
    const { out } = await run();
    assert.match(out, /went to and fro, so its return to\s203\.0\.113\.1 waited and 203\.0\.113\.2 stayed/);
    assert.match(out, /203\.0\.113\.1 -> 203\.0\.113\.2/, 'the changes are told as before');
    const { waitingReturns } = JSON.parse((await run('--json')).out);
    assert.deepEqual(waitingReturns, [{ to: '203.0.113.1', current: '203.0.113.2', at: at + 30_000 }]);
  });

  async function seed() {
    const at = (await redisNow(testRedis())) - 60_000;
    const add = (fields: Fields) => testRedis().append(KEYS.ipHistory, fields);
    await add({
      from: '',
      to: '203.0.113.1',
      epoch: at - 9,
      at: at - 9,
      source: 'manual',
      votes: '{"manual":"203.0.113.1"}',
    });
    await add({
      from: '203.0.113.1',
      to: '203.0.113.2',
      epoch: at,
      at,
      source: 'sources',
      votes: JSON.stringify({ 'a.example': '203.0.113.2', 'b.example': 'timeout' }),
      verifiedAt: at - 41_000,
    });
    await add({ epoch: at, firstAck: at + 64, lastAck: at + 12_000, told: 8 });
    for (let n = 1; n <= 8; n++) {
      await testRedis().put(KEYS.deliveries, {
        [uuidOf(n)]: JSON.stringify({ ackedEpoch: at, ackedAt: at + 1_500 * n }),
      });
    }
    await testRedis().command('HSET', KEYS.deliveries, uuidOf(9), '{"ackedEpoch":"\u001b"}', 'x', '[]');
    return at;
  }

  test('shows each change with its votes, when it was noticed, and how long producers took, the slowest first', async () => {
    await seed();
    const { code, out } = await run();
    assert.equal(code, 0);
    assert.deepEqual(faultsOfText(out), []);
    const [first, second] = out.split('\n\n');
    assert.match(first ?? '', /^203\.0\.113\.1 -> 203\.0\.113\.2\n/);
    assert.match(first ?? '', /^ {2}noticed {2}within 41 s/m);
    assert.match(first ?? '', /^ {2}votes {4}a\.example: 203\.0\.113\.2\n {11}b\.example: timeout$/m);
    assert.match(first ?? '', /^ {2}told {5}8 told within 12 s, the first after 64 ms$/m);
    assert.match(first ?? '', /^ {11}00000008 {2}took 12 s\n {11}00000007 {2}took 11 s$/m);
    assert.match(first ?? '', /and 3 others in less$/);
    assert.match(second ?? '', /^nothing -> 203\.0\.113\.1\n/);
    assert.match(second ?? '', /by the operator's word/);
  });

  test('is the same for programs, and no longer than asked for', async () => {
    const at = await seed();
    const changes = (await run('--json', '--limit', '1')).json().changes as Record<string, unknown>[];
    assert.equal(changes.length, 1);
    assert.deepEqual(changes[0]?.votes, { 'a.example': '203.0.113.2', 'b.example': 'timeout' });
    assert.deepEqual(changes[0]?.telling, { told: 8, firstAck: at + 64, lastAck: at + 12_000 });
    assert.match(JSON.stringify(changes[0]?.producers), /^\{"count":8,/);
  });

  test('says that there is none yet', async () => {
    const { code, out } = await run();
    assert.equal(code, 0);
    assert.match(out, /has not changed yet/);
  });
});
