import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { startPeer } from '../../support/peer-server.ts';
import { redisForSuite } from '../../support/redis.ts';
import { newUuid, startApi } from './harness.ts';

const testRedis = redisForSuite();

test('its own uuid and an address that no scheduler would call are not recorded', async (t) => {
  const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.2/32')] });
  const api = await startApi(t, testRedis(), { policy });
  await api.sync('127.0.0.2', { uuid: api.uuid });
  await api.sync('127.0.0.3', { uuid: newUuid() });
  assert.deepEqual(await api.entries(), []);
});

test('behind a proxy of its own, the last entry of X-Forwarded-For is the caller', async (t) => {
  const api = await startApi(t, testRedis(), { proxies: ['127.0.0.9'] });
  const [proxied, direct] = [newUuid(), newUuid()];
  const headers = { 'x-forwarded-for': '127.0.0.66, 127.0.0.5' };
  await api.sync('127.0.0.9', { uuid: proxied }, { headers });
  await api.sync('127.0.0.2', { uuid: direct }, { headers });
  assert.equal(await api.entry(proxied), '127.0.0.5');
  assert.equal(await api.entry(direct), '127.0.0.2', 'a stranger writes into the header what it likes');
  assert.equal((await api.sync('127.0.0.9', { uuid: proxied })).status, 400, 'a proxy that adds nothing');
});

test('a consumer that moved and names its uuid there is followed, its port kept', async (t) => {
  const api = await startApi(t, testRedis());
  const caller = newUuid();
  await testRedis().command('HSET', api.key('consumers'), caller, `127.0.0.2:${api.peerPort}`);
  await startPeer(t, { body: { uuid: caller } }, { host: '127.0.0.3', port: api.peerPort });
  await api.sync('127.0.0.3', { uuid: caller });
  assert.deepEqual(await api.event('moved'), {
    kind: 'moved',
    uuid: caller,
    address: `127.0.0.3:${api.peerPort}`,
  });
  assert.equal(await api.entry(caller), `127.0.0.3:${api.peerPort}`);
  assert.deepEqual(await api.called(), [caller], 'the scheduler is to probe it at its new address');
});

test("an impostor that names a victim's uuid every time changes nothing while the victim answers", async (t) => {
  const api = await startApi(t, testRedis());
  const victim = newUuid();
  await testRedis().command('HSET', api.key('consumers'), victim, '127.0.0.2');
  const own = await startPeer(t, { body: { uuid: victim } }, { host: '127.0.0.2', port: api.peerPort });
  const impostor = await startPeer(t, { body: { uuid: victim } }, { host: '127.0.0.3', port: api.peerPort });
  for (let i = 0; i < 5; i++) assert.equal((await api.sync('127.0.0.3', { uuid: victim })).status, 200);
  await own.received(1);
  // A consumer that is truly new comes after it in the same order: when it is recorded, the proof is long over.
  await api.sync('127.0.0.4', { uuid: newUuid() });
  assert.equal(await api.entry(victim), '127.0.0.2');
  assert.equal(own.requests.length, 1, 'called back once a minute at most');
  assert.equal(impostor.requests.length, 0, 'not even asked');
});
