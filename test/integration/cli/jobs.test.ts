import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { type Host, systemHost } from '../../../lib/host.ts';
import { SECOND_LOOK_MS } from '../../../lib/ip/observe.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { type Peer, startPeer } from '../../support/peer-server.ts';
import { redisForSuite } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { envOf, faultsOfText, KEYS, LOCAL_UUID, p2p, redisNow, sourcesSaying } from './harness.ts';

/** The second look at a new address comes at once. */
const HURRIED: Host = {
  ...systemHost,
  sleep: async (ms, signal) => (ms === SECOND_LOOK_MS ? undefined : systemHost.sleep(ms, signal)),
};
const HERE = sourcesSaying('203.0.113.7', '203.0.113.7', '203.0.113.7');

describe('jobs that are run now', () => {
  const testRedis = redisForSuite();
  const run = (args: readonly string[], options: Parameters<typeof p2p>[1] = {}) =>
    p2p(args, { env: envOf(testRedis()), brought: { sources: HERE, host: HURRIED }, ...options });
  const history = () => testRedis().command('XLEN', KEYS.ipHistory);
  beforeEach(async () => {
    await testRedis().command('FLUSHALL');
    await testRedis().command('SET', KEYS.uuid, LOCAL_UUID);
  });

  async function know(kind: 'consumers' | 'producers', ...peers: Peer[]) {
    await testRedis().command(
      'HSET',
      KEYS[kind],
      ...peers.flatMap(({ address }, i) => [uuidOf(i + 1), address]),
    );
  }
  async function settleOn(ip: string) {
    const now = (await redisNow(testRedis())) - 3_600_000;
    await testRedis().command('HSET', KEYS.ip, 'current', ip, 'epoch', now, 'since', now);
  }

  test('sync calls every consumer and sums it up, with a bar on a terminal', async (t) => {
    const peers = [await startPeer(t), await startPeer(t, { status: 500 })];
    await know('consumers', ...peers);
    const { code, out, err } = await run(['sync'], { draws: true });
    assert.equal(code, 0);
    assert.match(out, /^The round is complete: 2 calls in /);
    assert.match(out, /^consumers {2}1 alive, 1 suspect, 0 dead, 0 new$/m);
    assert.match(out, /^failed {5}status 1$/m);
    assert.deepEqual(faultsOfText(out), []);
    assert.match(err, /^\rcalling \[-+\] {2}0 of 2/);
    assert.ok(err.endsWith('\r\u001b[K'), 'the bar is taken away');
    const json = await run(['sync', '--json']);
    assert.equal(json.json().probes, 2);
    assert.equal(json.err, '', 'no bar where there is no terminal');
  });

  test('sync --dry-run says who would be called, and calls and writes nothing', async (t) => {
    const peer = await startPeer(t);
    await know('consumers', peer);
    await testRedis().command('HSET', KEYS.consumers, uuidOf(8), '10.0.0.1', LOCAL_UUID, '8.8.8.8');
    const before = await testRedis().command('KEYS', '*');
    const { code, out } = await run(['sync', '--dry-run']);
    assert.equal(code, 0);
    assert.match(out, /^1 consumer would be called; left out: (unusable 1, self 1|self 1, unusable 1)\.$/m);
    assert.match(out, new RegExp(`00000001 {2}${peer.address}`));
    assert.equal(peer.requests.length, 0);
    assert.deepEqual(await testRedis().command('KEYS', '*'), before);
  });

  test('check says it where there is no address yet and none was found', async () => {
    const { code, out } = await run(['check'], {
      brought: { sources: sourcesSaying('?', '?', '?'), host: HURRIED },
    });
    assert.equal(code, 1);
    assert.match(
      out.replaceAll('\n', ' '),
      /^The sources do not settle what the address is\. There is none yet; the last check found nothing out\. /,
    );
  });

  test('notify says it where nobody had to be told, and where nobody was', async (t) => {
    await settleOn('203.0.113.7');
    const idle = await run(['notify']);
    assert.deepEqual([idle.code, idle.out], [0, 'No producer had to be told.\n']);
    await know('producers', await startPeer(t, { status: 500 }));
    const { code, out } = await run(['notify', '--ip', '203.0.113.8', '--yes']);
    assert.equal(code, 1);
    assert.match(out, /^Taken\. No producer told\.\nfailed {5}status 1\nto go {6}1, the next in /);
  });

  test('sync does nothing while another round runs, and says so', async (t) => {
    await know('consumers', await startPeer(t));
    await testRedis().command('SET', KEYS.lease('sync:0'), 'another', 'PX', 30_000);
    const { code, out } = await run(['sync']);
    assert.equal(code, 1);
    assert.equal(out, 'Another round is running: this one did nothing.\n');
  });

  test('sync from another machine asks first, for peers would record a wrong address', async (t) => {
    const peer = await startPeer(t);
    await know('consumers', peer);
    await settleOn('203.0.113.1');
    const unattended = await run(['sync']);
    assert.equal(unattended.code, 1);
    assert.match(unattended.err, /From here the sources see 203\.0\.113\.7; the register has 203\.0\.113\.1/);
    const refused = await run(['sync'], { answer: 'n' });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /^Is this the consumer's own host\?\n\[y\/N\] n\nNothing was done\.\n$/m);
    assert.equal(peer.requests.length, 0);
    assert.equal((await run(['sync'], { answer: 'y' })).code, 0);
    assert.equal((await run(['sync', '--yes'])).code, 0);
    assert.equal(peer.requests.length, 2);
  });

  test('check keeps an address that is seen again, and calls nobody', async (t) => {
    const producer = await startPeer(t);
    await know('producers', producer);
    await settleOn('203.0.113.7');
    const { code, out } = await run(['check']);
    assert.equal(code, 0);
    assert.match(out, /^The address is 203\.0\.113\.7, as it was\.$/m);
    assert.equal(producer.requests.length, 0);
  });

  test('check from another machine commits nothing unless it is said to be the host', async (t) => {
    await know('producers', await startPeer(t));
    await settleOn('203.0.113.1');
    const { code, err } = await run(['check']);
    assert.equal(code, 1);
    assert.match(err.replaceAll('\n', ' '), /it would take this machine's address for a change/);
    assert.equal(await history(), 0);
  });

  test('check commits a change and tells the producers, with the failures and when they are next', async (t) => {
    const producers = [await startPeer(t), await startPeer(t, { status: 503 })];
    await know('producers', ...producers);
    await testRedis().command('HSET', KEYS.consumers, uuidOf(5), (await startPeer(t)).address);
    const text = await run(['check', '--yes']);
    assert.equal(text.code, 1, 'one is not told');
    assert.match(text.out, /^The address has changed: it is 203\.0\.113\.7 now\.$/m);
    assert.match(text.out, /^1 producer told\.$/m);
    assert.match(text.out, /^failed {5}status 1$/m);
    assert.match(text.out, /^to go {6}1, the next in \d+ s/m);
    assert.deepEqual(JSON.parse(producers[0]?.requests[0]?.body ?? ''), {
      uuid: LOCAL_UUID,
      ip: '203.0.113.7',
    });
    assert.equal(await testRedis().command('EXISTS', KEYS.rounds), 0, 'a change starts no synchronization');
  });

  test('check --dry-run says what would be decided, and whom it would tell', async (t) => {
    const producer = await startPeer(t);
    await know('producers', producer);
    const { code, out } = await run(['check', '--dry-run']);
    assert.equal(code, 0);
    assert.match(out, /^decision {3}a change to 203\.0\.113\.7, if it is seen again 3 s later$/m);
    assert.match(out, /^1 producer would be called\.$/m);
    assert.equal(producer.requests.length + Number(await history()), 0);
    await settleOn('203.0.113.7');
    assert.match((await run(['check', '--dry-run'])).out, /the address is 203\.0\.113\.7, as it was/);
    const unknown = await run(['check', '--dry-run'], {
      brought: { sources: sourcesSaying('timeout', 'timeout') },
    });
    assert.match(unknown.out, /unknown: nothing would change/);
  });

  test('notify asks before every producer is told', async (t) => {
    const producer = await startPeer(t);
    await know('producers', producer);
    const refused = await run(['notify', '--ip', '203.0.113.9'], { answer: '' });
    assert.equal(refused.code, 1);
    assert.equal(
      refused.err,
      'Tell 1 producer (the register has no address) that the address is 203.0.113.9?\n[y/N] \nNothing was done.\n',
    );
    const narrow = await run(['notify', '--ip', '203.0.113.9'], { answer: '', columns: 50 });
    assert.match(narrow.err, /^Tell 1 producer .*\nthe address is 203\.0\.113\.9\?\n\[y/m);
    const unattended = await run(['notify', '--ip', '203.0.113.9']);
    assert.equal(unattended.code, 2);
    assert.match(unattended.err, /--yes/);
    const foreign = await run(['notify', '--ip', '10.0.0.1', '--yes']);
    assert.equal(foreign.code, 2);
    assert.match(foreign.err, /IP_ALLOW_CIDRS/);
    assert.equal(producer.requests.length + Number(await history()), 0);
    const meant = await run(['notify', '--ip', '203.0.113.9'], { answer: 'yes' });
    assert.equal(meant.code, 0);
    assert.match(meant.out, /^Taken\. 1 producer told\.$/m);
    assert.equal(producer.requests.length, 1);
  });

  test('notify counts once for an id, however often it is repeated', async (t) => {
    await know('producers', await startPeer(t));
    const word = ['notify', '--ip', '203.0.113.9', '--yes', '--id', 'an-id'];
    assert.match((await run(word)).out, /^Taken\./);
    assert.match((await run(word)).out, /^Taken before\./);
    assert.equal(await testRedis().command('HLEN', KEYS.deliveries), 1);
    const changes = (await testRedis().command('XRANGE', KEYS.ipHistory, '-', '+')) as [string, string[]][];
    assert.equal(changes.filter(([, fields]) => fields.includes('manual')).length, 1);
  });

  test('notify that does not know how it ended prints the id with which it may be repeated', async (t) => {
    await know('producers', await startPeer(t));
    const { redis } = testRedis();
    const lossy: Redis = {
      async send(requests, options) {
        const replies = await redis.send(requests, options);
        if (requests.some((request) => 'script' in request && request.script.name === 'commit-manual')) {
          throw new RedisUnavailableError('The reply was lost.', { mayHaveRun: true });
        }
        return replies;
      },
      close: async () => undefined,
    };
    const lost = await run(['notify', '--ip', '203.0.113.9', '--yes'], {
      brought: { sources: HERE, redis: lossy },
    });
    assert.equal(lost.code, 3);
    const [, id] = /--id (\S+)/.exec(lost.err) ?? [];
    assert.ok(id, lost.err);
    const repeated = await run(['notify', '--ip', '203.0.113.9', '--yes', '--id', id]);
    assert.match(repeated.out, /^Taken before\. 1 producer told\.$/m);
  });

  test('notify without an address delivers what is due, and --dry-run says whom', async (t) => {
    const [due, told] = [await startPeer(t), await startPeer(t)];
    await know('producers', due, told);
    await settleOn('203.0.113.7');
    await testRedis().command('ZADD', KEYS.due, 1, uuidOf(1));
    const plan = await run(['notify', '--dry-run']);
    assert.match(plan.out, /^1 producer would be called; left out: not due 1\.$/m);
    const word = await run(['notify', '--dry-run', '--ip', '203.0.113.9']);
    assert.match(word.out, /^2 producers would be called\.$/m);
    assert.equal((await run(['notify'])).code, 0);
    assert.deepEqual([due.requests.length, told.requests.length], [1, 0]);
  });

  test('a job that is interrupted hands back what it began', async (t) => {
    const slow = await startPeer(t, () => 'hang');
    await know('consumers', slow);
    const { code, out } = await run(['sync'], { interrupt: slow.received(1) });
    assert.equal(code, 130);
    assert.match(out, /^It ended before it was through; the next round goes on there\./);
    assert.equal(await testRedis().command('EXISTS', KEYS.lease('sync:0')), 0, 'the lease is given back');
  });
});
