import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import packageJson from '../../package.json' with { type: 'json' };
import { type Peer, type PeerAnswer, type RecordedRequest, startPeer } from '../support/peer-server.ts';
import { startTestRedis } from '../support/redis.ts';
import { type Functions, LOCAL_UUID, startFunctions, startSources } from './harness.ts';

const TIMEOUT = { timeout: 60_000 };
const redis = await startTestRedis({ after }, { transport: 'rest' });
const sources = await startSources({ after });
const functions = await startFunctions({ after }, { redis, env: { IP_SOURCES: sources.list } });

beforeEach(() => redis.command('FLUSHALL'));

async function addPeer(t: TestContext, key: 'consumers' | 'producers', answer: PeerAnswer = {}) {
  const uuid = randomUUID();
  const peer = await startPeer(t, answer);
  await redis.command('HSET', `{p2p}:${key}`, uuid, peer.address);
  return { uuid, ...peer, requests: peer.requests };
}

async function hash(key: string): Promise<Record<string, string>> {
  const flat = (await redis.command('HGETALL', `{p2p}:${key}`)) as string[];
  return Object.fromEntries(
    Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? '']),
  );
}

/** The first address, told to every producer there is. */
async function settleOn(ip: string, producers: readonly Peer[]): Promise<void> {
  sources.tell(ip);
  await invoke('ip-check');
  await Promise.all(producers.map((producer) => producer.received(1)));
  await drained();
}

/** Resolves when nothing is due any more and the drain has given its lease back. */
async function drained(): Promise<void> {
  while (
    (await redis.command('ZCARD', '{p2p}:deliveries:due')) !== 0 ||
    (await redis.command('EXISTS', '{p2p}:lease:notify')) !== 0
  ) {
    await delay(20);
  }
}

async function invoke(...[name, event]: Parameters<Functions['invoke']>): Promise<Record<string, unknown>> {
  const { failed, payload } = await functions.invoke(name, event);
  assert.equal(failed, false, JSON.stringify(payload));
  return payload as Record<string, unknown>;
}

/** The addresses that a producer was given, in order. */
function told({ requests }: Peer): unknown[] {
  return requests.map(({ body }) => JSON.parse(body).ip);
}

/** Method, path, body, and every header except Host and X-IP-Epoch, which differ by request. */
function wire({ method, path, body, headers }: RecordedRequest) {
  const { host, 'x-ip-epoch': epoch, ...fixed } = headers;
  return { method, path, body, headers: fixed };
}

function expectedWire(path: string, body: string) {
  return {
    method: 'POST',
    path,
    body,
    headers: {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'accept-encoding': 'identity',
      connection: 'close',
      'user-agent': `p2p-consumer-scheduler/${packageJson.version}`,
    },
  };
}

test('both schedules of serverless.yml are taken up, with their event', TIMEOUT, async () => {
  // The endpoint may answer before the last of them is announced.
  await Promise.all([functions.line(/^Scheduling \[sync\]/), functions.line(/^Scheduling \[ip-check\]/)]);
  const scheduled = functions.lines.filter((line) => line.startsWith('Scheduling'));
  assert.deepEqual(scheduled, [
    'Scheduling [sync] cron: [0 0 */30 * *] input: {"source":"schedule"}',
    'Scheduling [ip-check] cron: [0 0 */30 * *] input: {"source":"schedule"}',
  ]);
});

test('a round sends exactly one /sync to each consumer and writes what it found', TIMEOUT, async (t) => {
  const alive = await addPeer(t, 'consumers');
  const failing = await addPeer(t, 'consumers', { status: 500 });
  const down = await addPeer(t, 'consumers');
  await down.stop();
  const producer = await addPeer(t, 'producers');

  await invoke('sync', { source: 'schedule' });

  const expected = expectedWire('/sync', `{"uuid":"${LOCAL_UUID}"}`);
  assert.deepEqual(alive.requests.map(wire), [expected]);
  assert.deepEqual(failing.requests.map(wire), [expected]);
  assert.equal(alive.requests[0]?.headers.host, alive.address);
  assert.equal(producer.requests.length, 0);

  assert.equal(await redis.command('GET', '{p2p}:uuid'), LOCAL_UUID);
  const health = await hash('consumers:health');
  const record = (uuid: string) => {
    const { state, address, lastError, lastOk, since } = JSON.parse(health[uuid] ?? '{}');
    return { state, address, lastError, answered: lastOk !== undefined, dated: since > 0 };
  };
  assert.deepEqual(record(alive.uuid), {
    state: 'alive',
    address: alive.address,
    lastError: undefined,
    answered: true,
    dated: true,
  });
  assert.deepEqual(record(failing.uuid), {
    state: 'suspect',
    address: failing.address,
    lastError: 'status',
    answered: false,
    dated: true,
  });
  assert.equal(record(down.uuid).lastError, 'refused');
  assert.equal(await redis.command('XLEN', '{p2p}:sync:rounds'), 1);
});

test('a consumer that nobody knew is asked itself before it counts', TIMEOUT, async (t) => {
  const uuid = randomUUID();
  const stranger = await startPeer(t, { status: 500 });
  await addPeer(t, 'consumers', { body: { consumers: [{ uuid, ip: stranger.address }] } });

  await invoke('sync');
  assert.equal(stranger.requests[0]?.path, '/sync');
  assert.equal((await hash('consumers'))[uuid], undefined);
  assert.equal((await candidateNamed(uuid))?.address, stranger.address);

  stranger.respond({ body: { uuid } });
  await invoke('sync');
  assert.equal((await hash('consumers'))[uuid], stranger.address);
  assert.equal(await candidateNamed(uuid), undefined);
});

/** The candidate of a uuid, whatever slot it is in. Beside the slots the hash holds their secret, which is no JSON. */
async function candidateNamed(uuid: string): Promise<{ address: string } | undefined> {
  const { secret: _, ...slots } = await hash('consumers:candidates');
  return Object.values(slots)
    .map((json) => JSON.parse(json))
    .find((candidate) => candidate.uuid === uuid);
}

test('an IP change is told to every producer and triggers no synchronization', TIMEOUT, async (t) => {
  const consumer = await addPeer(t, 'consumers');
  const producers = [await addPeer(t, 'producers'), await addPeer(t, 'producers')];
  await settleOn('203.0.113.10', producers);

  sources.tell('203.0.113.20');
  const summary = await invoke('ip-check');
  await Promise.all(producers.map((producer) => producer.received(2)));
  await drained();

  assert.equal(summary.outcome, 'changed');
  const { current, previous, epoch } = await hash('ip');
  assert.deepEqual({ current, previous }, { current: '203.0.113.20', previous: '203.0.113.10' });
  for (const { uuid, requests } of producers) {
    assert.deepEqual(requests.map(wire), [
      expectedWire('/ip', `{"uuid":"${LOCAL_UUID}","ip":"203.0.113.10"}`),
      expectedWire('/ip', `{"uuid":"${LOCAL_UUID}","ip":"203.0.113.20"}`),
    ]);
    assert.equal(requests[1]?.headers['x-ip-epoch'], epoch);
    assert.ok(Number(requests[0]?.headers['x-ip-epoch']) < Number(epoch));
    const delivery = JSON.parse((await hash('deliveries'))[uuid] ?? '{}');
    assert.equal(String(delivery.ackedEpoch), epoch);
  }
  assert.deepEqual(consumer.requests, [], 'an IP change causes no /sync');
});

test('neither a check without a change nor a new producer causes a call', TIMEOUT, async (t) => {
  const known = await addPeer(t, 'producers');
  await settleOn('203.0.113.10', [known]);
  const added = await addPeer(t, 'producers');

  const quiet = await invoke('ip-check');
  assert.deepEqual([quiet.outcome, quiet.due], ['confirmed', 0]);
  await invoke('producer-notify', {});
  await invoke('sync');

  // The next change is the fence: had anything else been under way, it would have arrived before.
  sources.tell('203.0.113.20');
  await invoke('ip-check');
  await Promise.all([known.received(2), added.received(1)]);
  await drained();
  assert.deepEqual(told(known), ['203.0.113.10', '203.0.113.20']);
  assert.deepEqual(told(added), ['203.0.113.20']);
});

test("an operator's word is told to every producer, and the sources win afterwards", TIMEOUT, async (t) => {
  const producer = await addPeer(t, 'producers');
  await settleOn('203.0.113.10', [producer]);

  await invoke('producer-notify', { ip: '203.0.113.99' });
  await producer.received(2);
  await drained();
  assert.equal((await hash('ip')).current, '203.0.113.99');

  sources.tell('203.0.113.30');
  await invoke('ip-check');
  await producer.received(3);
  await drained();
  assert.deepEqual(told(producer), ['203.0.113.10', '203.0.113.99', '203.0.113.30']);
});

test('an event that no function understands is refused, and harms nothing', TIMEOUT, async (t) => {
  const producer = await addPeer(t, 'producers');
  assert.ok('refused' in (await invoke('producer-notify', { ip: 'not an address' })));
  assert.ok('refused' in (await invoke('sync', { shard: 'x' })));
  assert.equal(producer.requests.length, 0);
  assert.equal(await redis.command('EXISTS', '{p2p}:ip'), 0);
});
