import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemory } from '../../../kit/memory.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createKeyPair, createSigner, parseSigningKey } from '../../../lib/peers/signing.ts';
import { createRedis } from '../../../lib/redis/client.ts';
import { startPeer } from '../../support/peer-server.ts';
import { redisForSuite } from '../../support/redis.ts';
import { newUuid, startApi } from './harness.ts';

const testRedis = redisForSuite();
const nobody = '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55';

test('an empty object asks who is here and introduces nobody', async (t) => {
  const api = await startApi(t, testRedis());
  const { status, fields } = await api.sync('127.0.0.2', {});
  assert.equal(status, 200);
  assert.deepEqual(fields, { uuid: api.uuid, you: { ip: '127.0.0.2' }, consumers: [] });
  assert.deepEqual(await api.entries(), []);
});

test('a caller is recorded under its uuid in lower case, with its IP alone', async (t) => {
  const api = await startApi(t, testRedis());
  const caller = newUuid();
  await api.sync('127.0.0.2', { uuid: caller.toUpperCase() });
  assert.deepEqual(await api.entries(), [caller, '127.0.0.2']);
});

test('an entry with the same IP stays as it is, with its port', async (t) => {
  const api = await startApi(t, testRedis());
  const caller = newUuid();
  await testRedis().command('HSET', api.key('consumers'), caller, '127.0.0.2:8080');
  await api.sync('127.0.0.2', { uuid: caller });
  assert.equal(await api.entry(caller), '127.0.0.2:8080');
});

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

test('who cannot answer with the uuid at its new address is not followed', async (t) => {
  const api = await startApi(t, testRedis());
  const victim = newUuid();
  await testRedis().command('HSET', api.key('consumers'), victim, '127.0.0.2');
  const liar = await startPeer(t, { body: { uuid: nobody } }, { host: '127.0.0.3', port: api.peerPort });
  await api.sync('127.0.0.3', { uuid: victim });
  await liar.received(1);
  assert.equal(liar.requests[0]?.body, '{}');
  await api.sync('127.0.0.4', { uuid: newUuid() });
  assert.equal(await api.entry(victim), '127.0.0.2');
});

test('whoever has a key is believed only what is signed, and moves without a call back', async (t) => {
  const { secretKey, publicKey } = createKeyPair();
  const key = parseSigningKey(secretKey) ?? assert.fail();
  const caller = newUuid();
  const api = await startApi(t, testRedis(), {
    keys: new Map([[caller, [publicKey]]]),
    addresses: ['203.0.113.9:80'],
  });
  const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('203.0.113.0/24')] });
  const parsed = policy.parse('203.0.113.9');
  assert.ok('address' in parsed);
  const body = JSON.stringify({ uuid: caller });
  const headers = createSigner([key])?.(
    { address: parsed.address, path: '/sync', body, epoch: '0' },
    Date.now(),
  );

  assert.equal((await api.sync('127.0.0.2', body)).status, 200);
  assert.equal(await api.entry(caller), null, 'not signed');
  await testRedis().command('HSET', api.key('consumers'), caller, '127.0.0.2');
  await api.sync('127.0.0.3', body, { headers: { ...headers } });
  assert.equal(await api.entry(caller), '127.0.0.3');
  await api.sync('127.0.0.4', body, { headers: { ...headers } });
  assert.equal(await api.entry(caller), '127.0.0.3', 'the same id a second time');
});

test('new uuids are bounded for one address, and those over the bound are answered all the same', async (t) => {
  const api = await startApi(t, testRedis());
  const replies = [];
  for (let i = 0; i < 20; i++) replies.push(await api.sync('127.0.0.2', { uuid: newUuid() }));
  assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]));
  assert.equal(await testRedis().command('HLEN', api.key('consumers')), 8);
  await api.sync('127.0.0.3', { uuid: newUuid() });
  assert.equal(
    await testRedis().command('HLEN', api.key('consumers')),
    9,
    'another address has its own bound',
  );
});

test('it names whom the scheduler suggests, without the caller and itself', async (t) => {
  const api = await startApi(t, testRedis());
  const caller = newUuid();
  const suggested = [caller, api.uuid, nobody].map((uuid) => ({ uuid, ip: '198.51.100.9:8080' }));
  await testRedis().command('SET', api.key('sync:reply'), JSON.stringify({ consumers: suggested }));
  assert.deepEqual((await api.sync('127.0.0.2', { uuid: caller })).fields.consumers, [], 'no round yet');
  await testRedis().command('XADD', api.key('sync:rounds'), '*', 'round', 'r');
  assert.deepEqual((await api.sync('127.0.0.2', { uuid: caller })).fields.consumers, [
    { uuid: nobody, ip: '198.51.100.9:8080' },
  ]);
});

test('it says where the call came from, whether the caller answers, and which caller to probe', async (t) => {
  const api = await startApi(t, testRedis());
  const caller = newUuid();
  const { command } = testRedis();
  const health = (state: string, address: string) =>
    command('HSET', api.key('consumers:health'), caller, JSON.stringify({ state, address }));
  const you = async () => (await api.sync('127.0.0.2', { uuid: caller })).fields.you;

  await command('HSET', api.key('consumers'), caller, '127.0.0.2');
  await command('XADD', api.key('sync:rounds'), '*', 'round', 'r');
  await health('alive', '127.0.0.2');
  assert.deepEqual(await you(), { ip: '127.0.0.2', answers: true });
  assert.deepEqual(await api.called(), [], 'it is alive: nothing to probe');
  await health('alive', '127.0.0.7');
  assert.deepEqual(await you(), { ip: '127.0.0.2' }, 'a record about another address says nothing');
  await health('dead', '127.0.0.2');
  assert.deepEqual(await you(), { ip: '127.0.0.2', answers: false });
  assert.deepEqual(await api.called(), [caller]);

  const nowS = Number([await command('TIME')].flat()[0]);
  await command('DEL', api.key('sync:rounds'));
  await command('XADD', api.key('sync:rounds'), `${(nowS - 901) * 1_000}-0`, 'round', 'r');
  assert.deepEqual(await you(), { ip: '127.0.0.2' }, 'the newest round is older than three intervals');
});

test('while Redis is down it answers with its uuid, in time', async (t) => {
  const redis = createRedis({ url: 'redis://127.0.0.1:1' });
  t.after(() => redis.close());
  const api = await startApi(t, testRedis(), { memory: createMemory(redis, 'x:', 300_000) });
  const { status, fields } = await api.sync('127.0.0.2', { uuid: newUuid() });
  assert.deepEqual([status, fields], [200, { uuid: api.uuid }]);
});

test('what is no such call is refused and ends nothing', async (t) => {
  const api = await startApi(t, testRedis());
  const status = async (...call: Parameters<typeof api.sync>) => (await api.sync(...call)).status;
  assert.equal(await status('127.0.0.2', '{"uuid":"x"}'), 400);
  assert.equal(await status('127.0.0.2', '[]'), 400);
  assert.equal(await status('127.0.0.2', 'no JSON'), 400);
  assert.equal(await status('127.0.0.2', { filler: 'x'.repeat(5_000) }), 413);
  assert.equal(await status('127.0.0.2', {}, { method: 'PUT' }), 405);
  assert.equal(await status('127.0.0.2', {}), 200);
});
