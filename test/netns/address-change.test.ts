import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCertificate } from './certificate.ts';
import { startInhabitant } from './inhabitant.ts';
import { createNetwork, needsNetwork } from './network.ts';

const SOURCES = {
  'ip.alpha.test': '198.51.100.11',
  'ip.beta.test': '198.51.100.12',
  'ip.gamma.test': '198.51.100.13',
};
const PRODUCERS = ['198.51.100.21', '198.51.100.22', '198.51.100.23', '198.51.100.24', '198.51.100.25'];
const CONSUMER = '198.51.100.31';
const NEW_IP = '11.22.33.77';

interface Call {
  readonly to: string;
  readonly from: string;
  readonly path: string;
  readonly body: string;
}

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

test('when the router gets another address, every producer is told, and sees that it is true', {
  ...needsNetwork(),
  timeout: 120_000,
}, async (t) => {
  const ends: (() => void | Promise<void>)[] = [];
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const folder = mkdtempSync(join(tmpdir(), 'p2p-netns-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const { ca, cert, key } = createCertificate(folder, Object.keys(SOURCES));
  const network = createNetwork(SOURCES);
  ends.push(network.remove);

  const calls: Call[] = [];
  const traffic = new EventEmitter();
  const outside = await startInhabitant(network.outside, script('outside.ts'), {
    onReport: (call) => {
      calls.push(call as Call);
      traffic.emit('call');
    },
  });
  ends.push(outside.stop);
  const callsTo = async (path: string, body: RegExp, count: number): Promise<Call[]> => {
    for (;;) {
      const found = calls.filter((call) => call.path === path && body.test(call.body));
      if (found.length >= count) return found;
      await once(traffic, 'call');
    }
  };
  for (const ip of [...Object.values(SOURCES), ...PRODUCERS, CONSUMER]) network.addOutside(ip);
  for (const ip of Object.values(SOURCES)) await outside.call('source', ip, key, cert);
  for (const ip of [...PRODUCERS, CONSUMER]) await outside.call('peer', ip);

  const home = await startInhabitant(network.home, script('home.ts'), {
    env: {
      NODE_EXTRA_CA_CERTS: ca,
      IP_SOURCES: Object.keys(SOURCES)
        .map((host) => `https://${host}`)
        .join(','),
    },
  });
  ends.push(home.stop);
  for (const ip of PRODUCERS) await home.call('command', 'HSET', '{p2p}:producers', randomUUID(), ip);
  await home.call('command', 'HSET', '{p2p}:consumers', randomUUID(), CONSUMER);

  // The first address is a change from nothing.
  await home.call('invoke', 'ip-check');
  const first = await callsTo('/ip', /11\.22\.33\.10"/, PRODUCERS.length);
  assert.deepEqual(first.map(({ to }) => to).sort(), PRODUCERS);
  assert.deepEqual(new Set(first.map(({ from }) => from)), new Set([network.firstIp]));
  await home.call('invoke', 'sync');
  assert.deepEqual(
    (await callsTo('/sync', /uuid/, 1)).map(({ to, from }) => ({ to, from })),
    [{ to: CONSUMER, from: network.firstIp }],
  );

  const changedAt = performance.now();
  network.renumber(network.firstIp, NEW_IP);
  await home.call('invoke', 'ip-check');
  const told = await callsTo('/ip', /11\.22\.33\.77"/, PRODUCERS.length);
  t.diagnostic(
    `${Math.round(performance.now() - changedAt)} ms from the change of the address to the last of ${PRODUCERS.length} ` +
      'producers told, 3,000 of them between the two looks',
  );

  assert.deepEqual(told.map(({ to }) => to).sort(), PRODUCERS);
  assert.deepEqual(
    new Set(told.map(({ from }) => from)),
    new Set([NEW_IP]),
    'what they were told is what they see',
  );
  assert.equal(
    (await callsTo('/sync', /uuid/, 1)).length,
    1,
    'an IP change does not trigger a synchronization',
  );
  await home.call('invoke', 'ip-check');
  assert.equal(
    calls.filter(({ path }) => path === '/ip').length,
    2 * PRODUCERS.length,
    'each was told once a change',
  );
});
