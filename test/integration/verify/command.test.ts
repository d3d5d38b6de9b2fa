import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CONSUMER_RULES } from '../../../cli/verify/consumer.ts';
import { PRODUCER_RULES } from '../../../cli/verify/producer.ts';
import { openBook } from '../../../kit/producer/book.ts';
import { startProducer } from '../../../kit/producer/producer.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { closedPort } from '../../support/fake-redis.ts';
import { startPeer } from '../../support/peer-server.ts';
import { p2p } from '../cli/harness.ts';

const LOOPBACK = ['--allow', '127.0.0.0/8'];

test('each rule refers to a heading of the docs', () => {
  const headings = (page: string) =>
    [...readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8').matchAll(/^#+ (.*)$/gm)].map(
      ([, text = '']) =>
        text
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
    );
  for (const { docs } of [...CONSUMER_RULES, ...PRODUCER_RULES]) {
    const [page = '', anchor = ''] = docs.split('#');
    assert.ok(headings(page).includes(anchor), docs);
  }
});

test('a producer that conforms is exit code 0, as text and as one document', async (t) => {
  const producer = await startProducer({
    book: openBook(),
    policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
    listen: { port: 0 },
  });
  t.after(producer.stop);
  const run = await p2p(['verify', 'producer', `127.0.0.1:${producer.port}`, ...LOOPBACK]);
  assert.equal(run.code, 0, run.out);
  assert.match(
    run.out,
    /^CONFORMS {2}The producer at 127\.0\.0\.1:\d+: 15 rules kept, 0 broken, 0 optional, 1 not checked/,
  );
  assert.match(run.out, /unchecked +believes what is signed/);
});

test('a web server that answers 200 to everything is exit code 1, and each finding names its paragraph', async (t) => {
  const server = await startPeer(t, { status: 200, body: 'welcome' });
  const run = await p2p(['verify', 'consumer', server.address, ...LOOPBACK, '--json']);
  assert.equal(run.code, 1);
  const { conforms, findings } = run.json() as { conforms: boolean; findings: Record<string, string>[] };
  assert.equal(conforms, false);
  const of = (rule: string) => findings.find((finding) => finding.rule === rule);
  assert.equal(of('accepts an empty object')?.result, 'holds');
  assert.equal(of('names its own uuid')?.result, 'optional');
  assert.deepEqual(of('refuses what is no such call, and goes on'), {
    rule: 'refuses what is no such call, and goes on',
    docs: 'docs/PEERS.md#bound-what-a-request-costs-you',
    result: 'wrong',
    found: [
      ...['no JSON', 'an array', '4,000 times [', 'a uuid that is none', 'a uuid that is a number'],
      ...['another path', 'GET'],
    ]
      .map((what) => `${what}: answered 200 instead of 4xx`)
      .join('; '),
  });
  assert.equal(of('records the IP alone')?.result, 'unchecked');
});

test('a peer that cannot be reached is exit code 3', async () => {
  const run = await p2p(['verify', 'producer', '127.0.0.1:1', ...LOOPBACK]);
  assert.deepEqual([run.code, run.out], [3, '']);
  assert.match(run.err, /The producer at 127\.0\.0\.1:1 cannot be reached: ECONNREFUSED/);
});

test('an address that is not public must be allowed, and a wrong command line says what is wrong', async () => {
  for (const [line, message] of [
    [['consumer', '127.0.0.1:80'], /127\.0\.0\.1:80 is not public\. Open its network with --allow/],
    [['consumer', 'example.org'], /example\.org" is no address like/],
    [['neighbour', '8.8.8.8'], /verify takes "consumer address" or "producer address"/],
    [['consumer', '8.8.8.8', '--allow', 'x'], /--allow must be a comma list of networks/],
    [['consumer', '8.8.8.8', '--as', 'x'], /--as must be a UUID/],
    [['producer', '8.8.8.8', '--redis', 'redis://127.0.0.1'], /A producer has no Redis/],
  ] as const) {
    const run = await p2p(['verify', ...line]);
    assert.equal(run.code, 2, line.join(' '));
    assert.match(run.err, message);
  }
});

test('a test database that cannot be reached is named by the option that gave it', async () => {
  const port = await closedPort();
  const run = await p2p([
    'verify',
    'consumer',
    '127.0.0.1:8081',
    '--allow',
    '127.0.0.0/8',
    '--redis',
    `redis://127.0.0.1:${port}`,
  ]);
  assert.equal(run.code, 3);
  assert.match(run.err, /cannot be reached \(ECONNREFUSED\)\. Check --redis,/);
});
