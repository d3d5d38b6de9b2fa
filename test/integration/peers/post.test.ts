import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type Address, createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr, parseIp } from '../../../lib/peers/ip-space.ts';
import { createPostToPeer, MAX_REPLY_BYTES, type PeerRequest } from '../../../lib/peers/post.ts';
import { VERSION } from '../../../lib/version.ts';
import { listen } from '../../support/owner.ts';
import { startPeer } from '../../support/peer-server.ts';
import { runModule } from '../../support/run-module.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.0/8'), cidr('::1/128')] });
const post = createPostToPeer({ policy, wallMs: () => Date.UTC(2026, 10, 24, 12) });

const addressOf = (raw: string): Address => {
  const parsed = policy.parse(raw);
  assert.ok('address' in parsed, raw);
  return parsed.address;
};
const request = (raw: string, more: Partial<PeerRequest> = {}): PeerRequest => ({
  address: addressOf(raw),
  path: '/sync',
  body: '{"uuid":"x"}',
  timeoutMs: 5_000,
  ...more,
});

test('a call is exactly one POST, its headers and its body', async (t) => {
  const peer = await startPeer(t, { body: { ok: true } });
  const body = '{"uuid":"ü"}';
  const outcome = await post(request(peer.address, { path: '/ip', body, headers: { 'x-ip-epoch': '7' } }));
  assert.equal(outcome.kind, 'replied');
  assert.equal(peer.requests.length, 1);
  const [got] = peer.requests;
  assert.equal(got?.method, 'POST');
  assert.equal(got?.path, '/ip');
  assert.equal(got?.body, body);
  assert.deepEqual(got?.rawHeaders, [
    'host',
    peer.address,
    'content-type',
    'application/json',
    'accept-encoding',
    'identity',
    'user-agent',
    `p2p-consumer-scheduler/${VERSION}`,
    'connection',
    'close',
    'x-ip-epoch',
    '7',
    'content-length',
    String(Buffer.byteLength(body)),
  ]);
});

test('a whole reply is handed on with its status, body and time, whatever the status', async (t) => {
  const peer = await startPeer(t);
  for (const status of [200, 204, 400, 404, 429, 500, 503]) {
    peer.respond({ status, body: status === 204 ? undefined : 'text' });
    const outcome = await post(request(peer.address));
    assert.ok(outcome.kind === 'replied');
    assert.equal(outcome.status, status);
    assert.equal(outcome.body.toString(), status === 204 ? '' : 'text');
    assert.ok(outcome.rttMs > 0);
    assert.equal('retryAfterMs' in outcome, false);
  }
});

test('Retry-After is read in seconds and as a date', async (t) => {
  const peer = await startPeer(t, { status: 503, headers: { 'retry-after': '120' } });
  const seconds = await post(request(peer.address));
  assert.equal(seconds.kind === 'replied' && seconds.retryAfterMs, 120_000);
  peer.respond({ status: 429, headers: { 'retry-after': 'Tue, 24 Nov 2026 12:00:30 GMT' } });
  const date = await post(request(peer.address));
  assert.equal(date.kind === 'replied' && date.retryAfterMs, 30_000);
});

test('a body of the largest size passes, one byte more does not', async (t) => {
  const peer = await startPeer(t, { body: 'x'.repeat(MAX_REPLY_BYTES) });
  const largest = await post(request(peer.address));
  assert.equal(largest.kind === 'replied' && largest.body.length, MAX_REPLY_BYTES);
  peer.respond({ status: 201, body: 'x'.repeat(MAX_REPLY_BYTES + 1) });
  const larger = await post(request(peer.address));
  assert.ok(larger.kind === 'failed');
  assert.equal(larger.error, 'oversized');
  assert.equal(larger.status, 201);
  assert.equal(larger.mayHaveArrived, true);
});

test('a redirect is a failure with its status, and nothing is asked elsewhere', async (t) => {
  const elsewhere = await startPeer(t);
  const peer = await startPeer(t, { status: 307, headers: { location: `http://${elsewhere.address}/sync` } });
  const outcome = await post(request(peer.address));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error, 'redirect');
  assert.equal(outcome.status, 307);
  assert.equal(elsewhere.requests.length, 0);
});

test('no byte of a refused connection may have arrived', async (t) => {
  const peer = await startPeer(t);
  await peer.stop();
  const outcome = await post(request(peer.address));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error, 'refused');
  assert.equal(outcome.mayHaveArrived, false);
});

test('a request may have arrived once connected, whatever follows', async (t) => {
  const peer = await startPeer(t, () => 'reset');
  const reset = await post(request(peer.address));
  assert.ok(reset.kind === 'failed');
  assert.equal(reset.error, 'reset');
  assert.equal(reset.mayHaveArrived, true);
  peer.respond(() => 'hang');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const call = post(request(peer.address, { timeoutMs: 60_000 }));
  await peer.received(2);
  t.mock.timers.tick(60_000);
  const timeout = await call;
  assert.ok(timeout.kind === 'failed');
  assert.equal(timeout.error, 'timeout');
  assert.equal(timeout.mayHaveArrived, true);
});

test('a connection that never comes about ends at the deadline without having sent anything', async () => {
  const sockets: Socket[] = [];
  const patient = createPostToPeer({
    policy,
    connect: () => {
      const socket = connect({ host: 'never-resolved', port: 1, lookup: () => undefined });
      sockets.push(socket);
      return socket;
    },
  });
  const outcome = await patient(request('127.0.0.1:1', { timeoutMs: 50 }));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error, 'timeout');
  assert.equal(outcome.mayHaveArrived, false);
  assert.equal(sockets[0]?.destroyed, true);
});

test('the policy is asked again right before dialling', async () => {
  let dials = 0;
  const strict = createPostToPeer({
    policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
    connect: (target) => {
      dials += 1;
      return connect(target);
    },
  });
  const outcome = await strict(request('127.0.0.1:1'));
  assert.deepEqual(outcome, { kind: 'failed', error: 'forbidden', mayHaveArrived: false, rttMs: 0 });
  assert.equal(dials, 0);
});

test('a socket that turns out to be connected to a forbidden address sends nothing', async (t) => {
  let received = '';
  const ended = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      received += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => ended.resolve());
  });
  const port = await listen(server);
  t.after(() => void server.close());
  const misled = createPostToPeer({
    policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
    connect: () => connect({ host: '127.0.0.1', port }),
  });
  const outcome = await misled(request('8.8.8.8:80', { address: addressOf('8.8.8.8:80') }));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error, 'forbidden');
  assert.equal(outcome.mayHaveArrived, false);
  await ended.promise;
  assert.equal(received, '');
});

test('a failure to make a socket is a failure of the call', async () => {
  const broken = createPostToPeer({
    policy,
    connect: () => {
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    },
  });
  const outcome = await broken(request('127.0.0.1:1'));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error, 'local');
  assert.equal(outcome.mayHaveArrived, false);
});

test('a request that may no longer start when the connection stands does not leave', async (t) => {
  const peer = await startPeer(t);
  const asked: boolean[] = [];
  const outcome = await post(
    request(peer.address, {
      mayStart: () => {
        asked.push(true);
        return asked.length === 1;
      },
    }),
  );
  assert.ok(outcome.kind === 'failed');
  assert.deepEqual([outcome.error, outcome.mayHaveArrived, asked.length], ['aborted', false, 2]);
  assert.equal(peer.requests.length, 0);
});

test('a request that may not start does not connect', async () => {
  let dialled = false;
  const watched = createPostToPeer({
    policy,
    connect: (target) => {
      dialled = true;
      return connect(target);
    },
  });
  const outcome = await watched(request('127.0.0.1:1', { mayStart: () => false }));
  assert.ok(outcome.kind === 'failed');
  assert.deepEqual([outcome.error, outcome.mayHaveArrived, dialled], ['aborted', false, false]);
});

test('a reply that arrived while the process stood still counts, also after the deadline', async (t) => {
  const calls = 20;
  const { child, firstLine } = runModule(t, PATIENT_PEER, { CALLS: String(calls) });
  const lines = createInterface({ input: child.stdout });
  const received = once(lines, 'line').then(() => once(lines, 'line'));
  const port = await firstLine;

  const outcomes = Array.from({ length: calls }, () =>
    post(request(`127.0.0.1:${port}`, { timeoutMs: 500 })),
  );
  await received;
  const until = performance.now() + 1_000;
  // As in a process that was stopped, nothing is read and no timer runs; meanwhile the replies arrive.
  while (performance.now() < until);

  for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, 'replied');
});

/** A peer in a process of its own. Prints its port, then a line when all requests are there, and answers 50 ms later. */
const PATIENT_PEER = `
import { createServer } from 'node:http';
const waiting = [];
const server = createServer((request, response) => {
  waiting.push(response);
  if (waiting.length < Number(process.env.CALLS)) return;
  console.log('received');
  setTimeout(() => waiting.forEach((each) => each.end('{}')), 50);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

test('a header that cannot be sent is a failure, not an exception', async () => {
  const outcome = await post(request('127.0.0.1:1', { headers: { 'x-bad': 'a\r\nb: c' } }));
  assert.equal(outcome.kind, 'failed');
});

test('a signal ends a call that is in flight, and one that has aborted starts none', async (t) => {
  const peer = await startPeer(t, () => 'hang');
  const controller = new AbortController();
  const call = post(request(peer.address, { signal: controller.signal }));
  await peer.received(1);
  controller.abort();
  const inFlight = await call;
  assert.ok(inFlight.kind === 'failed');
  assert.equal(inFlight.error, 'aborted');
  assert.equal(inFlight.mayHaveArrived, true);
  const late = await post(request(peer.address, { signal: controller.signal }));
  assert.ok(late.kind === 'failed');
  assert.equal(late.error, 'aborted');
  assert.equal(late.mayHaveArrived, false);
  assert.equal(peer.requests.length, 1);
});

test('hundreds of calls under one signal leave no listener and no warning behind', async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => void process.off('warning', onWarning));
  const peer = await startPeer(t);
  const { signal } = new AbortController();
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, () => post(request(peer.address, { signal }))),
  );
  assert.ok(outcomes.every(({ kind }) => kind === 'replied'));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test('neither a keep-alive peer nor a proxy variable changes the connection', async (t) => {
  const peer = await startPeer(t, { headers: { connection: 'keep-alive' }, body: 'x' });
  for (const name of ['HTTP_PROXY', 'http_proxy', 'NODE_USE_ENV_PROXY']) {
    const before = process.env[name];
    process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : 'http://127.0.0.1:1';
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
  const sockets = new Set<Socket>();
  const watched = createPostToPeer({
    policy,
    connect: (target) => {
      const socket = connect(target);
      sockets.add(socket);
      return socket;
    },
  });
  await watched(request(peer.address));
  await watched(request(peer.address));
  assert.equal(sockets.size, 2);
  assert.ok([...sockets].every(({ destroyed }) => destroyed));
});

test('the host header names the port unless it is 80', async () => {
  const hosts: string[] = [];
  const recorder = createServer((socket) => {
    socket.once('data', (chunk) => {
      hosts.push(/^host: (.*)\r$/m.exec(chunk.toString())?.[1] ?? '');
      socket.end('HTTP/1.1 204 No Content\r\n\r\n');
    });
  });
  const port = await listen(recorder);
  const anywhere = createPostToPeer({
    policy,
    connect: ({ onread }) => connect({ host: '127.0.0.1', port, onread }),
  });
  for (const raw of ['8.8.8.8', '8.8.8.8:8080', '[2a00::1]:80', '[2a00::1]:8080'])
    await anywhere(request(raw));
  recorder.close();
  assert.deepEqual(hosts, ['8.8.8.8', '8.8.8.8:8080', '[2a00::1]', '[2a00::1]:8080']);
});

test('peers are called from BIND_ADDRESS, those of the other family from where the system chooses', async (t) => {
  const bindAddress = parseIp('127.0.0.2');
  const bound = createPostToPeer({ policy, bindAddress });
  const v4 = await startPeer(t);
  await bound(request(v4.address));
  assert.equal(v4.requests[0]?.remoteAddress, '127.0.0.2');

  const dialled: unknown[] = [];
  const watched = createPostToPeer({
    policy,
    bindAddress,
    connect: ({ localAddress, onread }) => {
      dialled.push(localAddress);
      return connect({ host: '127.0.0.1', port: v4.port, onread });
    },
  });
  await watched(request('[2a00::1]:80'));
  assert.deepEqual(dialled, [undefined]);
});

test('an address of ours that this machine does not have is our own trouble, not the peer', async (t) => {
  const peer = await startPeer(t);
  const bound = createPostToPeer({ policy, bindAddress: parseIp('203.0.113.7') });
  const outcome = await bound(request(peer.address));
  assert.equal(outcome.kind === 'failed' && outcome.error, 'local');
  assert.equal(peer.requests.length, 0);
});
