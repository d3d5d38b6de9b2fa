import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CONSUMERS, FIRST_PUBLIC_IP, OWN_UUID, PRODUCERS } from '../../../local/world/cast.ts';
import { sourceUrls, worldPorts, worldPortUses } from '../../../local/world/ports.ts';
import { startWorld, type WorldEvent } from '../../../local/world/world.ts';
import { freePorts } from '../../support/ports.ts';

async function world(t: TestContext) {
  const ports = worldPorts((await freePorts()).world);
  const events: WorldEvent[] = [];
  const { stop } = await startWorld(ports, (event) => events.push(event));
  t.after(stop);
  const post = (port: number | undefined, path: string, body: object) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const consumer = (name: string) => {
    const index = CONSUMERS.findIndex((one) => one.name === name);
    return { uuid: CONSUMERS[index]?.uuid, port: ports.consumers[index] };
  };
  return { ports, events, post, consumer };
}

test('a consumer answers with its uuid, and one of them introduces another', async (t) => {
  const { post, consumer } = await world(t);
  const reply = await post(consumer('cedar').port, '/sync', { uuid: OWN_UUID });
  assert.deepEqual(await reply.json(), {
    uuid: consumer('cedar').uuid,
    consumers: [{ uuid: consumer('elm').uuid, ip: `127.0.0.1:${consumer('elm').port}` }],
  });
  assert.equal((await post(consumer('alder').port, '/sync', {})).status, 400);
  assert.equal((await post(consumer('alder').port, '/ip', { uuid: OWN_UUID })).status, 404);
});

test('the consumer that is down does not listen', async (t) => {
  const { post, consumer } = await world(t);
  await assert.rejects(post(consumer('dogwood').port, '/sync', { uuid: OWN_UUID }));
});

test('a producer that fails at first recovers', async (t) => {
  const { ports, events, post } = await world(t);
  const west = ports.producers[PRODUCERS.findIndex(({ name }) => name === 'west')];
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
  assert.deepEqual(await told(), Array(3).fill(`${FIRST_PUBLIC_IP}\n`));
  assert.equal((await post(ports.control, '/ip', { ip: '198.51.100.7' })).status, 400);
  assert.equal((await post(ports.control, '/ip', { ip: '203.0.113.77' })).status, 200);
  assert.deepEqual(await told(), Array(3).fill('203.0.113.77\n'));
  assert.deepEqual(await (await post(ports.control, '/ip', {})).json(), {
    from: '203.0.113.77',
    to: '203.0.113.78',
  });
  assert.deepEqual(events.at(-1), { kind: 'public-ip-set', from: '203.0.113.77', to: '203.0.113.78' });
});

test('a page in a browser cannot change the public IP: it may only send what is no JSON', async (t) => {
  const { ports, events } = await world(t);
  const reply = await fetch(`http://127.0.0.1:${ports.control}/ip`, { method: 'POST', body: '{}' });
  assert.equal(reply.status, 415);
  assert.deepEqual(events, []);
});

test('every port of the world is probed, and no two are the same', () => {
  const uses = worldPortUses(worldPorts(8100)).map(({ port }) => port);
  assert.equal(uses.length, 1 + CONSUMERS.length + PRODUCERS.length + 3);
  assert.equal(new Set(uses).size, uses.length);
});
