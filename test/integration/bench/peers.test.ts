import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { expectCalls } from '../../../bench/checks.ts';
import { type Peers, startPeers } from '../../../bench/peers.ts';
import { type Behaviour, uuidOf } from '../../../bench/world.ts';
import type { Outcome } from '../../../lib/http/outcome.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createPostToPeer } from '../../../lib/peers/post.ts';

let peers: Peers;
before(async () => {
  peers = await startPeers();
});
after(() => peers.end());

/** Calls the peer of 127.0.0.1 with the product's own client. */
async function call(behaviour: Behaviour, timeoutMs = 2_000): Promise<Outcome> {
  const policy = createAddressPolicy({
    defaultPort: peers.ports[behaviour],
    allow: [cidr('127.0.0.0/8')],
  });
  const parsed = policy.parse('127.0.0.1');
  assert.ok('address' in parsed);
  const post = createPostToPeer({ policy });
  return post({ address: parsed.address, path: '/sync', body: '{"uuid":"x"}', timeoutMs });
}

function errorOf(outcome: Outcome): string {
  return outcome.kind === 'failed' ? outcome.error : `replied ${outcome.status}`;
}

test('a peer that is well answers 200 and names its UUID', async () => {
  const outcome = await call('well');
  assert.equal(outcome.kind, 'replied');
  assert.deepEqual(JSON.parse(outcome.kind === 'replied' ? outcome.body.toString() : ''), {
    uuid: uuidOf(0),
  });
});

test('each broken peer fails in its own way', async () => {
  assert.equal(errorOf(await call('refusing')), 'refused');
  assert.equal(errorOf(await call('garbage')), 'malformed');
  assert.equal(errorOf(await call('silent', 200)), 'timeout');
  assert.equal(errorOf(await call('endless', 200)), 'timeout');
});

test('a black hole never lets a connection stand', { skip: process.platform !== 'linux' }, async () => {
  const outcome = await call('black-hole', 200);
  assert.equal(errorOf(outcome), 'timeout');
  assert.equal(outcome.kind === 'failed' && outcome.mayHaveArrived, false);
});

test('a request counts once it is whole, however it is cut', async () => {
  await peers.stats();
  const socket = connect(peers.ports.well, '127.0.0.1');
  socket.write('POST /sync HTTP/1.1\r\nContent-Le');
  await once(socket, 'connect');
  assert.equal((await peers.stats()).requests, 0);
  socket.write('ngth: 4\r\n\r\n{}');
  socket.end('{}');
  const [reply] = (await once(socket, 'data')) as [Buffer];
  assert.match(reply.toString(), /^HTTP\/1\.1 200 OK\r\n/);
  await expectCalls(peers, 1);
});

test('a contestant that skipped work is found out', async () => {
  await peers.stats();
  await call('well');
  await assert.rejects(expectCalls(peers, 2), /got 1 requests where 2/);
});

test('peers that are ended are gone', async () => {
  const others = await startPeers();
  await others.end();
  const socket = connect(others.ports.well, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
  await assert.rejects(others.stats(), /has ended/);
});
