import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createKeys } from '../../../lib/store/keys.ts';
import { FIRST_PUBLIC_IP, memberOf, OWN_UUID, PRODUCERS } from '../../../local/world/cast.ts';
import { sourceUrls, worldPorts, worldPortUses } from '../../../local/world/ports.ts';
import { startWorld, type WorldEvent } from '../../../local/world/world.ts';
import { freePorts } from '../../support/ports.ts';
import { postFrom } from '../../support/post-from.ts';
import { startTestRedis } from '../../support/redis.ts';

async function world(t: TestContext) {
  const ports = worldPorts((await freePorts()).world);
  const redis = await startTestRedis(t);
  const events: WorldEvent[] = [];
  const started = await startWorld({
    ports,
    redis: redis.redis,
    redisUrl: redis.tcpUrl,
    onEvent: (event) => events.push(event),
  });
  t.after(started.stop);
  const post = (address: string, path: string, body: unknown, headers = {}) =>
    postFrom('127.0.0.1', address, path, body, { headers });
  return {
    ports,
    events,
    redis,
    world: started,
    post,
    sync: (name: string, body: object) => post(`${memberOf(name).ip}:${ports.peer}`, '/sync', body),
  };
}

test('a real consumer records who calls, the slow one answers late, and the one that is down does not', async (t) => {
  const { sync, redis } = await world(t);
  assert.deepEqual((await sync('alder', { uuid: OWN_UUID })).fields, {
    uuid: memberOf('alder').uuid,
    you: { ip: FIRST_PUBLIC_IP },
    consumers: [],
  });
  assert.equal(await redis.command('HGET', createKeys('{alder}:').consumers, OWN_UUID), '127.0.0.1');
  assert.deepEqual((await sync('fir', {})).fields, { uuid: memberOf('fir').uuid });
  await assert.rejects(sync('dogwood', {}));
});

test('the others run rounds of their own, and the liar calls as somebody else', async (t) => {
  const { world: started, redis } = await world(t);
  await started.round();
  const health = JSON.parse(
    String(await redis.command('HGET', createKeys('{alder}:').health, memberOf('birch').uuid)),
  );
  assert.equal(health.state, 'alive');
  assert.equal(
    await redis.command('HGET', createKeys('{birch}:').consumers, memberOf('alder').uuid),
    memberOf('alder').ip,
    'birch was told by the call where alder lives',
  );
  const { rows } = await started.knowledge();
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['you', 'alder', 'birch', 'cedar'],
  );
  assert.equal(
    await redis.command('HGET', createKeys('{birch}:').consumers, memberOf('cedar').uuid),
    memberOf('cedar').ip,
    'cedar answers where it is known: the liar is not believed',
  );
});

test('a producer that cannot keep a change at first recovers', async (t) => {
  const { ports, events, post } = await world(t);
  const west = `127.0.0.1:${ports.producers[PRODUCERS.findIndex(({ name }) => name === 'west')]}`;
  const first = await post(west, '/ip', { uuid: OWN_UUID, ip: '203.0.113.10' });
  const second = await post(west, '/ip', { uuid: OWN_UUID, ip: '203.0.113.10' });
  assert.deepEqual([first.status, second.status], [503, 200]);
  assert.deepEqual(events, [
    { kind: 'producer-called', name: 'west', ip: '203.0.113.10', status: 503 },
    { kind: 'producer-called', name: 'west', ip: '203.0.113.10', status: 200 },
  ]);
});

test('all sources tell the public IP, the next one after a change, and no other network', async (t) => {
  const { ports, events, post } = await world(t);
  const told = () => Promise.all(sourceUrls(ports).map(async (url) => (await fetch(url)).text()));
  const change = (body: object) => post(`127.0.0.1:${ports.control}`, '/ip', body);
  assert.deepEqual(await told(), Array(3).fill(`${FIRST_PUBLIC_IP}\n`));
  assert.equal((await change({ ip: '198.51.100.7' })).status, 400);
  assert.equal((await change({ ip: '203.0.113.77' })).status, 200);
  assert.deepEqual(await told(), Array(3).fill('203.0.113.77\n'));
  assert.deepEqual((await change({})).fields, { from: '203.0.113.77', to: '203.0.113.78' });
  assert.deepEqual(events.at(-1), { kind: 'public-ip-set', from: '203.0.113.77', to: '203.0.113.78' });
});

test('a page in a browser cannot change the public IP: it may only send what is no JSON', async (t) => {
  const { ports, events, post } = await world(t);
  const reply = await post(`127.0.0.1:${ports.control}`, '/ip', '{}', { 'content-type': 'text/plain' });
  assert.equal(reply.status, 415);
  assert.deepEqual(events, []);
});

test('every port of the world is probed at its address, and no two are the same', () => {
  const uses = worldPortUses(worldPorts(8100)).map(({ host, port }) => `${host}:${port}`);
  assert.equal(uses.length, 1 + 7 + PRODUCERS.length + 3);
  assert.equal(new Set(uses).size, uses.length);
});
