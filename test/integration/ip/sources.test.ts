import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import { type TestContext, test } from 'node:test';
import { parseSource } from '../../../lib/ip/source-spec.ts';
import { createSources, type Source, type SourceOptions } from '../../../lib/ip/sources.ts';
import { cidr, parseIp } from '../../../lib/peers/ip-space.ts';
import { VERSION } from '../../../lib/version.ts';
import { startDns } from '../../support/dns-server.ts';
import { listen } from '../../support/owner.ts';
import { startPeer } from '../../support/peer-server.ts';
import { LOCALHOST, TEST_CA } from '../../support/tls.ts';

const source = (entry: string, options: Partial<SourceOptions> = {}): Source => {
  const spec = parseSource(entry);
  assert.ok('kind' in spec);
  const [made] = createSources([spec], {
    family: 4,
    allow: [],
    timeoutMs: 2_000,
    ...options,
  });
  assert.ok(made);
  return made;
};
const ip = (vote: Awaited<ReturnType<Source['ask']>>) => (vote.kind === 'ip' ? vote.ip : vote.error);

const startTls = async (t: TestContext, body: string, tls: object = LOCALHOST) => {
  const sessions: boolean[] = [];
  const server = createServer(tls, (_request, response) => void response.end(body));
  server.on('secureConnection', (socket) => void sessions.push(socket.isSessionReused()));
  const port = await listen(server);
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port, sessions };
};

test('only an echo service on another machine is a witness of our network', () => {
  const entries = [
    'https://ident.me',
    'https://localhost',
    'http://127.0.0.1',
    'dns:example.org',
    'static:8.8.8.8',
  ];
  assert.deepEqual(
    entries.map((entry) => source(entry).witness),
    [true, false, false, false, false],
  );
});

test('an echo service is asked by a plain GET and its whole trimmed answer is the address', async (t) => {
  const service = await startPeer(t, { body: '8.8.8.8\n' });
  const { id, operator, kind, ask } = source(`http://${service.address}/text?format=plain`);
  assert.deepEqual({ id, operator, kind }, { id: service.address, operator: service.address, kind: 'http' });
  assert.deepEqual(await ask(), { source: id, operator, kind: 'ip', ip: '8.8.8.8' });
  const [request] = service.requests;
  assert.equal(request?.method, 'GET');
  assert.equal(request?.path, '/text?format=plain');
  assert.deepEqual(request?.headers, {
    host: service.address,
    accept: 'text/plain',
    'accept-encoding': 'identity',
    'user-agent': `p2p-consumer-scheduler/${VERSION}`,
    connection: 'close',
  });
});

test('each question takes a connection of its own', async (t) => {
  const ports = new Set<number | undefined>();
  const service = await startPeer(t, (_request, response) => {
    ports.add(response.socket?.remotePort);
    return { body: '8.8.8.8', headers: { connection: 'keep-alive' } };
  });
  const { ask } = source(`http://${service.address}`);
  await ask();
  await ask();
  assert.equal(ports.size, 2);
});

test('an answer is the whole body and a public address of the family, or unknown', async (t) => {
  const service = await startPeer(t);
  const { ask } = source(`http://${service.address}`, { allow: [cidr('203.0.113.0/24')] });
  const cases: [body: string | Buffer, expected: string][] = [
    ['8.8.8.8', '8.8.8.8'],
    [' \t8.8.8.8\r\n\r\n', '8.8.8.8'],
    ['203.0.113.9', '203.0.113.9'],
    ['', 'not-an-ip'],
    ['8.8.8.8 8.8.8.8', 'not-an-ip'],
    ['8.8.8.8\n8.8.4.4', 'not-an-ip'],
    ['8.8.8.8,', 'not-an-ip'],
    ['"8.8.8.8"', 'not-an-ip'],
    ['{"ip":"8.8.8.8"}', 'not-an-ip'],
    ['<html>8.8.8.8</html>', 'not-an-ip'],
    ['8.8.8.8:80', 'not-an-ip'],
    ['8.8.8.8/32', 'not-an-ip'],
    ['08.8.8.8', 'not-an-ip'],
    ['0x8.8.8.8', 'not-an-ip'],
    ['134744072', 'not-an-ip'],
    ['8.8.8', 'not-an-ip'],
    ['8.8.8.8\0', 'not-an-ip'],
    ['\ufeff8.8.8.8', 'not-an-ip'],
    [Buffer.from([0xa0, ...Buffer.from('8.8.8.8')]), 'not-an-ip'],
    ['example.org', 'not-an-ip'],
    ['10.0.0.1', 'not-public'],
    ['127.0.0.1', 'not-public'],
    ['169.254.169.254', 'not-public'],
    ['100.64.0.1', 'not-public'],
    ['2a00:1450::1', 'wrong-family'],
    ['::ffff:8.8.8.8', 'wrong-family'],
    ['::1', 'wrong-family'],
    [`8.8.8.8${' '.repeat(1_100)}`, 'oversized'],
  ];
  for (const [body, expected] of cases) {
    service.respond({ body });
    assert.equal(ip(await ask()), expected, JSON.stringify(body));
  }
});

test('with IP_FAMILY 6 only a public v6 address counts, in canonical spelling', async (t) => {
  const service = await startPeer(t);
  const { ask } = source(`http://${service.address}`, { family: 6 });
  const cases: [body: string, expected: string][] = [
    ['2A00:1450:0:0:0:0:0:1', '2a00:1450::1'],
    ['8.8.8.8', 'wrong-family'],
    ['fe80::1', 'not-public'],
    ['fd00::1', 'not-public'],
    ['2001:db8::1', 'not-public'],
    ['::ffff:8.8.8.8', 'not-public'],
    ['2002:808:808::1', 'not-public'],
    ['2a00:1450::1%eth0', 'not-an-ip'],
    ['[2a00:1450::1]', 'not-an-ip'],
  ];
  for (const [body, expected] of cases) {
    service.respond({ body });
    assert.equal(ip(await ask()), expected, body);
  }
});

test('a name is dialled in the family of the host alone', async (t) => {
  const onV4 = await startPeer(t, { body: '8.8.8.8' });
  const entry = `http://localhost:${onV4.port}`;
  assert.equal(ip(await source(entry, { family: 4 }).ask()), '8.8.8.8');
  assert.equal(ip(await source(entry, { family: 6 }).ask()), 'not-found');
  assert.equal(onV4.requests.length, 1);
});

test('any status but 200 is no answer', async (t) => {
  const service = await startPeer(t);
  const { ask } = source(`http://${service.address}`);
  for (const status of [201, 203, 204, 301, 302, 307, 400, 403, 429, 500, 502, 503]) {
    service.respond({
      status,
      body: status === 204 ? undefined : '8.8.8.8',
      headers: { location: 'http://127.0.0.1/' },
    });
    assert.equal(ip(await ask()), status >= 300 && status < 400 ? 'redirect' : 'status', String(status));
  }
});

test('a service that is not there is unknown', async (t) => {
  const service = await startPeer(t);
  await service.stop();
  assert.equal(ip(await source(`http://${service.address}`).ask()), 'refused');
});

test('a service that says nothing is unknown at the deadline', async (t) => {
  const service = await startPeer(t, () => 'hang');
  assert.equal(ip(await source(`http://${service.address}`, { timeoutMs: 50 }).ask()), 'timeout');
});

test('a question ends when the invocation does', async (t) => {
  const service = await startPeer(t, () => 'hang');
  const controller = new AbortController();
  const vote = source(`http://${service.address}`).ask(controller.signal);
  await service.received(1);
  controller.abort();
  assert.equal(ip(await vote), 'aborted');
  assert.equal(ip(await source(`http://${service.address}`).ask(controller.signal)), 'aborted');
});

test('an https service with a trusted certificate is believed, on a fresh handshake each time', async (t) => {
  const { port, sessions } = await startTls(t, '8.8.8.8');
  const { ask } = source(`https://localhost:${port}/`, { ca: TEST_CA });
  assert.equal(ip(await ask()), '8.8.8.8');
  assert.equal(ip(await ask()), '8.8.8.8');
  assert.deepEqual(sessions, [false, false]);
});

test('an https service with a certificate that nobody trusts is not believed', async (t) => {
  const { port } = await startTls(t, '8.8.8.8');
  assert.equal(ip(await source(`https://localhost:${port}/`).ask()), 'tls');
});

test('not even NODE_TLS_REJECT_UNAUTHORIZED=0 makes it believed', async (t) => {
  const { port } = await startTls(t, '8.8.8.8');
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
  });
  assert.equal(ip(await source(`https://localhost:${port}/`).ask()), 'tls');
});

test('a trusted certificate of another host is not believed', async (t) => {
  const { port } = await startTls(t, '8.8.8.8');
  assert.equal(ip(await source(`https://127.0.0.1:${port}/`, { ca: TEST_CA }).ask()), 'tls');
});

test('a service that does not speak TLS is not believed', async (t) => {
  const plain = await startPeer(t, { body: '8.8.8.8' });
  assert.equal(ip(await source(`https://localhost:${plain.port}/`, { ca: TEST_CA }).ask()), 'tls');
});

test('a TLS handshake that never ends is unknown at the deadline', async (t) => {
  const { createServer: createTcpServer } = await import('node:net');
  const silent = createTcpServer((socket) => void socket.on('error', () => undefined).resume());
  const port = await listen(silent);
  t.after(() => void silent.close());
  assert.equal(
    ip(await source(`https://localhost:${port}/`, { ca: TEST_CA, timeoutMs: 50 }).ask()),
    'timeout',
  );
});

test('a name that cannot be resolved is unknown', async () => {
  const labelTooLong = 'a'.repeat(64);
  assert.equal(ip(await source(`https://${labelTooLong}.invalid/`).ask()), 'not-found');
});

test('a dns source answers the one address that its name has in the family', async (t) => {
  const dns = await startDns(t, {
    'home.example.org': { v4: [[8, 8, 4, 4]], v6: [[0x2a, 0, 0x14, 0x50, ...Array(11).fill(0), 1]] },
  });
  const options = { dnsServers: [dns.address] };
  const v4 = source('dns:home.example.org', options);
  assert.deepEqual(await v4.ask(), {
    source: 'dns:home.example.org',
    operator: 'dns',
    kind: 'ip',
    ip: '8.8.4.4',
  });
  assert.equal(ip(await source('dns:home.example.org', { ...options, family: 6 }).ask()), '2a00:1450::1');
});

test('a dns name with several addresses, none, a private one or no existence is unknown', async (t) => {
  const dns = await startDns(t, {
    'two.example.org': {
      v4: [
        [8, 8, 8, 8],
        [8, 8, 4, 4],
      ],
    },
    'same.example.org': {
      v4: [
        [8, 8, 8, 8],
        [8, 8, 8, 8],
      ],
    },
    'none.example.org': { v6: [Array(16).fill(0x2a)] },
    'private.example.org': { v4: [[10, 0, 0, 1]] },
  });
  const ask = async (name: string) =>
    ip(await source(`dns:${name}.example.org`, { dnsServers: [dns.address] }).ask());
  assert.equal(await ask('two'), 'ambiguous');
  assert.equal(await ask('same'), '8.8.8.8', 'several records of one address are one');
  assert.equal(await ask('none'), 'not-found');
  assert.equal(await ask('private'), 'not-public');
  assert.equal(await ask('missing'), 'not-found');
});

test('a name server is asked again each time', async (t) => {
  const dns = await startDns(t, { 'home.example.org': { v4: [[8, 8, 4, 4]] } });
  const { ask } = source('dns:home.example.org', { dnsServers: [dns.address] });
  await ask();
  await ask();
  assert.equal(dns.asked.length, 2);
});

test('a name server that says nothing is unknown at the deadline, and ends with the invocation', async (t) => {
  const dns = await startDns(t, 'silent');
  const options = { dnsServers: [dns.address], timeoutMs: 100 };
  assert.equal(ip(await source('dns:home.example.org', options).ask()), 'timeout');
  const controller = new AbortController();
  const vote = source('dns:home.example.org', { ...options, timeoutMs: 60_000 }).ask(controller.signal);
  controller.abort();
  assert.equal(ip(await vote), 'aborted');
  assert.equal(ip(await source('dns:home.example.org', options).ask(controller.signal)), 'aborted');
});

test('a static source is its address, if that may be ours', async () => {
  assert.equal(ip(await source('static:8.8.8.8').ask()), '8.8.8.8');
  assert.equal(ip(await source('static:10.0.0.1').ask()), 'not-public');
  assert.equal(ip(await source('static:10.0.0.1', { allow: [cidr('10.0.0.0/8')] }).ask()), '10.0.0.1');
  assert.equal(ip(await source('static:2a00:1450::1').ask()), 'wrong-family');
});

test('an echo service is asked from BIND_ADDRESS, so that it sees the uplink that peers see', async (t) => {
  const echo = await startPeer(t, ({ remoteAddress }) => ({ body: remoteAddress }));
  const bindAddress = parseIp('127.0.0.2');
  const vote = await source(`http://${echo.address}`, { bindAddress, allow: [cidr('127.0.0.0/8')] }).ask();
  assert.equal(ip(vote), '127.0.0.2');
});
