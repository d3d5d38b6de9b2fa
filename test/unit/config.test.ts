import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { loadConfig } from '../../lib/config.ts';
import { ConfigError } from '../../lib/errors.ts';

const UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const MINIMAL = { LOCAL_UUID: UUID, REDIS_URL: 'redis://127.0.0.1' };

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.faults;
  }
  return [];
}

test('two variables are enough, and everything else has its documented default', () => {
  const config = loadConfig(MINIMAL);

  assert.equal(config.localUuid, UUID);
  assert.equal(config.redis.prefix, '{p2p}:');
  assert.deepEqual(config.peers, {
    port: 80,
    allowCidrs: [],
    runtimeApi: undefined,
    bindAddress: undefined,
  });
  assert.deepEqual(config.sync, {
    intervalMs: 300_000,
    concurrency: 256,
    timeoutMs: 3_000,
    shardAbove: 100_000,
    maxShards: 5,
    maxProbes: Number.POSITIVE_INFINITY,
    functionName: undefined,
  });
  assert.deepEqual(config.notify, { concurrency: 64, timeoutMs: 5_000, functionName: undefined });
  assert.equal(config.ip.family, 4);
  assert.equal(config.ip.quorum, 2);
  assert.equal(config.ip.intervalMs, 60_000);
});

test('the default sources are five services of five operators, over https', () => {
  const { sources } = loadConfig(MINIMAL).ip;

  assert.equal(sources.length, 5);
  assert.equal(new Set(sources.map(({ operator }) => operator)).size, 5);
  assert.ok(sources.every((source) => source.kind === 'http' && source.url.protocol === 'https:'));
});

test('one error names every bad variable and what was expected of it', () => {
  const faults = faultsOf({
    REDIS_URL: 'https://example.com',
    SYNC_TIMEOUT_MS: '3s',
    SYNC_CONCURRENCY: '0',
    PEER_ALLOW_CIDRS: '10.0.0.0/8,10.0.0.0',
    IP_SOURCES: 'http://example.com',
    IP_FAMILY: '5',
    NOTIFY_TIMEOUT_MS: '999999',
  });

  for (const name of [
    'LOCAL_UUID is required',
    'REDIS_TOKEN is required for a REST REDIS_URL',
    'SYNC_TIMEOUT_MS must be a whole number from 100',
    'SYNC_CONCURRENCY must be a whole number from 1',
    'PEER_ALLOW_CIDRS must be a comma list of networks',
    'IP_SOURCES must be a comma list of https://',
    'IP_FAMILY must be 4 or 6',
    'NOTIFY_TIMEOUT_MS must be a whole number',
  ]) {
    assert.ok(
      faults.some((fault) => fault.startsWith(name)),
      `${name} is missing in ${faults.join(' | ')}`,
    );
  }
});

test('the names of Upstash are a fallback for URL and token', () => {
  const upstash = { UPSTASH_REDIS_REST_URL: 'https://a.example', UPSTASH_REDIS_REST_TOKEN: 'b' };

  assert.deepEqual(loadConfig({ LOCAL_UUID: UUID, ...upstash }).redis, {
    url: 'https://a.example',
    token: 'b',
    names: { url: 'UPSTASH_REDIS_REST_URL', token: 'UPSTASH_REDIS_REST_TOKEN' },
    prefix: '{p2p}:',
    clientCertificate: undefined,
  });
  assert.equal(loadConfig({ ...MINIMAL, ...upstash }).redis.url, MINIMAL.REDIS_URL);
});

test('a bad variable is refused under the name that the operator wrote', () => {
  const upstash = (given: Record<string, string>) => faultsOf({ LOCAL_UUID: UUID, ...given });

  assert.match(
    upstash({ UPSTASH_REDIS_REST_URL: 'https://a.example', UPSTASH_REDIS_REST_TOKEN: '"b"' }).join(),
    /^UPSTASH_REDIS_REST_TOKEN is in quotes/,
  );
  assert.deepEqual(upstash({ UPSTASH_REDIS_REST_URL: 'https://a.example' }), [
    'UPSTASH_REDIS_REST_TOKEN is required for a REST UPSTASH_REDIS_REST_URL',
  ]);
  assert.deepEqual(upstash({ UPSTASH_REDIS_REST_URL: 'https://u:p@a.example', REDIS_TOKEN: 'b' }), [
    'UPSTASH_REDIS_REST_URL must hold no login, query or fragment for REST; the token belongs into REDIS_TOKEN',
  ]);
  assert.match(
    upstash({ UPSTASH_REDIS_REST_URL: 'a.example', REDIS_TOKEN: 'b' }).join(),
    /^UPSTASH_REDIS_REST_URL must /,
  );
  assert.deepEqual(faultsOf({ LOCAL_UUID: UUID, REDIS_URL: 'https://a.example' }), [
    'REDIS_TOKEN is required for a REST REDIS_URL',
  ]);
  assert.match(faultsOf({ LOCAL_UUID: UUID }).join(), /^REDIS_URL is required: /);
});

test('a network whose addresses are never called is refused, and told by its place', () => {
  for (const network of [
    ...['169.254.0.0/16', '169.254.169.254/32', '0.0.0.0/8', '255.255.255.255/32', '100.100.100.200/32'],
    ...['fe80::/10', 'fe80::/64', 'fd00:ec2::/32', '::ffff:10.0.0.0/104', '::ffff:0:0/96', '::/128'],
    ...['64:ff9b::/96', '64:ff9b::a00:0/104', '2002:a00::/24', '2001::/32'],
  ]) {
    assert.deepEqual(faultsOf({ ...MINIMAL, PEER_ALLOW_CIDRS: `10.0.0.0/8,${network}` }), [
      'PEER_ALLOW_CIDRS must name networks whose addresses may be called; entry 2 never is: it is link-local, ' +
        'a metadata service, or IPv4 inside IPv6 (name the IPv4 network itself)',
    ]);
  }
  for (const network of [
    '10.0.0.0/8',
    '100.64.0.0/10',
    '0.0.0.0/0',
    'fd00::/8',
    '::1/128',
    '::/96',
    '::/0',
  ]) {
    assert.deepEqual(faultsOf({ ...MINIMAL, PEER_ALLOW_CIDRS: network }), [], network);
  }
});

test('an empty variable counts as unset', () => {
  assert.equal(loadConfig({ ...MINIMAL, SYNC_TIMEOUT_MS: '', REDIS_PREFIX: '' }).sync.timeoutMs, 3_000);
});

test('a quorum that the operators cannot reach is an error, and services of one operator count once', () => {
  const twoOfOne = 'https://icanhazip.com,https://www.cloudflare.com/ip';

  assert.equal(loadConfig({ ...MINIMAL, IP_SOURCES: twoOfOne }).ip.quorum, 1);
  assert.deepEqual(faultsOf({ ...MINIMAL, IP_SOURCES: twoOfOne, IP_QUORUM: '2' }), [
    'IP_QUORUM must not exceed the number of operators in IP_SOURCES',
  ]);
});

test('a static source stands alone', () => {
  assert.equal(loadConfig({ ...MINIMAL, IP_SOURCES: 'static:8.8.8.8' }).ip.quorum, 1);
  assert.match(
    faultsOf({ ...MINIMAL, IP_SOURCES: 'static:8.8.8.8,https://ident.me' }).join(),
    /static:<ip> alone/,
  );
});

test('no value of a secret is in an error', () => {
  const faults = faultsOf({
    LOCAL_UUID: 'hunter2-uuid',
    REDIS_URL: 'ftp://user:hunter2@example.com',
    REDIS_TOKEN: 'hunter2',
    IP_SOURCES: 'https://user:hunter2@example.com',
  });

  assert.ok(faults.length >= 3);
  assert.doesNotMatch(faults.join(), /hunter2/);
});

test('an unusable entry of a list is told by its place, not by its words', () => {
  const entries: readonly (readonly [variable: string, entries: readonly string[]])[] = [
    [
      'IP_SOURCES',
      ['dns:user:hunter2@x', 'static:hunter2', 'hunter2', 'http://hunter2.example', 'https://a@b.c'],
    ],
    ['PEER_ALLOW_CIDRS', ['redis://:hunter2@x', 'hunter2/8', '10.0.0.0']],
    ['IP_ALLOW_CIDRS', ['hunter2']],
  ];
  for (const [name, unusable] of entries) {
    const good = name === 'IP_SOURCES' ? 'https://ident.me' : '10.0.0.0/8';
    for (const entry of unusable) {
      const [fault = '', ...others] = faultsOf({ ...MINIMAL, [name]: `${good},${entry}` });
      assert.deepEqual(others, []);
      assert.match(fault, /; entry 2 (is|names|holds|must be) /);
      assert.doesNotMatch(fault, /hunter2/);
    }
  }
});

for (const [value, expected] of [
  ['"{p2p}:"', /^REDIS_PREFIX is in quotes/],
  ["'{p2p}:'", /^REDIS_PREFIX is in quotes/],
  ['"{p2p}:', /^REDIS_PREFIX is in quotes/],
  ['{p2p}: ', /^REDIS_PREFIX has white space around it/],
  ['{p2p}:\r', /^REDIS_PREFIX holds a control character/],
  ['${PREFIX}:', /^REDIS_PREFIX holds \$\{…\}, which nothing replaces/],
  ['{p2p}: # ours', /^REDIS_PREFIX must be 1 to 100 printable ASCII characters/],
] as const) {
  test(`REDIS_PREFIX=${JSON.stringify(value)} is refused by name and not taken for another key space`, () => {
    const [fault = '', ...others] = faultsOf({ ...MINIMAL, REDIS_PREFIX: value });
    assert.match(fault, expected);
    assert.deepEqual(others, []);
  });
}

test('a secret in quotes is refused without being shown', () => {
  const faults = faultsOf({ ...MINIMAL, PAGE_TOKEN: '"hunter2-hunter2"', REDIS_URL: '"redis://:hunter2@h"' });
  assert.deepEqual(
    faults.map((fault) => fault.split(' ')[0]),
    ['REDIS_URL', 'PAGE_TOKEN'],
  );
  assert.doesNotMatch(faults.join(), /hunter2/);
});

test('a static source must be of the family of the host, and public or allowed', () => {
  const fault = ['IP_SOURCES must name a static:<ip> of IP_FAMILY that is public or in IP_ALLOW_CIDRS'];
  assert.deepEqual(faultsOf({ ...MINIMAL, IP_SOURCES: 'static:2606:4700::1' }), fault);
  assert.deepEqual(faultsOf({ ...MINIMAL, IP_SOURCES: 'static:10.1.2.3' }), fault);
  assert.deepEqual(faultsOf({ ...MINIMAL, IP_SOURCES: 'static:8.8.8.8', IP_FAMILY: '6' }), fault);
  assert.deepEqual(faultsOf({ ...MINIMAL, IP_SOURCES: 'static:2606:4700::1', IP_FAMILY: '6' }), []);
  assert.deepEqual(faultsOf({ ...MINIMAL, IP_SOURCES: 'static:10.1.2.3', IP_ALLOW_CIDRS: '10.0.0.0/8' }), []);
});

test('what only a host uses is read and checked as well', () => {
  assert.deepEqual(loadConfig(MINIMAL).host, {
    hints: { interface: true, gateway: true },
    page: undefined,
    heartbeatUrl: undefined,
    alertUrl: undefined,
    log: { level: 'INFO', format: 'text' },
  });
  const { host, peers } = loadConfig({
    ...MINIMAL,
    IP_HINTS: 'gateway',
    PAGE_PORT: '[::]:8090',
    PAGE_TOKEN: 'a-long-token',
    BIND_ADDRESS: '2606:4700:0::1',
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
  });
  assert.deepEqual(host.hints, { interface: false, gateway: true });
  assert.deepEqual(host.page, { address: '::', port: 8090, loopback: false, token: 'a-long-token' });
  assert.deepEqual(host.log, { level: 'WARN', format: 'json' });
  assert.equal(peers.bindAddress, '2606:4700::1');
  assert.deepEqual(loadConfig({ ...MINIMAL, IP_HINTS: 'none' }).host.hints, {
    interface: false,
    gateway: false,
  });
  assert.equal(loadConfig({ ...MINIMAL, POWERTOOLS_LOG_LEVEL: 'ERROR' }).host.log.level, 'ERROR');
  assert.equal(loadConfig({ ...MINIMAL, POWERTOOLS_LOG_LEVEL: 'SILENT' }).host.log.level, 'INFO');
});

test('the page stands on loopback, or behind a token', () => {
  const page = (port: string, token = '') =>
    loadConfig({ ...MINIMAL, PAGE_PORT: port, PAGE_TOKEN: token }).host.page;
  assert.deepEqual(page('8090'), { address: '127.0.0.1', port: 8090, loopback: true, token: undefined });
  assert.equal(page('[::1]:8090')?.loopback, true);
  assert.equal(page('192.168.1.5:8090', 'long-enough')?.loopback, false);
  for (const open of ['0.0.0.0:8090', '[::]:8090', '192.168.1.5:8090']) {
    assert.deepEqual(faultsOf({ ...MINIMAL, PAGE_PORT: open }), [
      'PAGE_TOKEN is required where PAGE_PORT has another address than loopback',
    ]);
  }
  for (const bad of ['0', '65536', 'localhost:8090', '[127.0.0.1]:8090', '::1:8090', ':8090', '8090/']) {
    assert.match(faultsOf({ ...MINIMAL, PAGE_PORT: bad }).join(), /^PAGE_PORT must be a port/, bad);
  }
});

test('misread hints, addresses and URLs are refused', () => {
  const faults = faultsOf({
    ...MINIMAL,
    IP_HINTS: 'interface,none',
    BIND_ADDRESS: '0.0.0.0',
    HEARTBEAT_URL: 'hc-ping.com/hunter2',
    ALERT_URL: 'ftp://x/hunter2',
    REDIS_TLS_CERT: '/nowhere/cert.pem',
  });
  assert.deepEqual(
    faults.map((fault) => fault.split(' ')[0]),
    ['REDIS_TLS_CERT', 'BIND_ADDRESS', 'IP_HINTS', 'HEARTBEAT_URL', 'ALERT_URL'],
  );
  assert.doesNotMatch(faults.join(), /hunter2/);

  for (const [name, value] of [
    // Half an encoding would throw with the first message.
    ['ALERT_URL', 'https://me:hunter2%zz@ntfy.example/topic'],
    ['BIND_ADDRESS', 'fe80::1'],
    ['BIND_ADDRESS', '::ffff:192.0.2.1'],
    ['BIND_ADDRESS', '224.0.0.1'],
    ['SIGNING_KEY', ','],
    // One host with the second one as its end.
    ['IP_SOURCES', 'https://ident.me;https://icanhazip.com'],
    ['IP_SOURCES', 'https:ident.me'],
  ] as const) {
    assert.match(faultsOf({ ...MINIMAL, [name]: value }).join(), new RegExp(`^${name} (must|has) `), value);
  }
  assert.equal(
    loadConfig({ ...MINIMAL, IP_SOURCES: 'DNS:Ip.Example.org' }).ip.sources[0]?.id,
    'dns:ip.example.org',
  );
});

test('a client certificate needs both files and TLS', () => {
  const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
  const both = { REDIS_TLS_CERT: file('localhost.pem'), REDIS_TLS_KEY: file('localhost.key') };
  const tls = { ...MINIMAL, REDIS_URL: 'rediss://127.0.0.1' };
  const fault = ['REDIS_TLS_CERT and REDIS_TLS_KEY go together, and with a rediss:// REDIS_URL only'];

  assert.match(loadConfig({ ...tls, ...both }).redis.clientCertificate?.cert ?? '', /BEGIN CERTIFICATE/);
  assert.deepEqual(faultsOf({ ...tls, REDIS_TLS_CERT: both.REDIS_TLS_CERT }), fault);
  assert.deepEqual(faultsOf({ ...tls, REDIS_TLS_KEY: both.REDIS_TLS_KEY }), fault);
  assert.deepEqual(faultsOf({ ...MINIMAL, ...both }), fault);
});

test('whatever the environment holds, loading answers a configuration or a ConfigError', () => {
  const names = Object.keys({
    ...MINIMAL,
    REDIS_TOKEN: '',
    REDIS_PREFIX: '',
    PEER_PORT: '',
    PEER_ALLOW_CIDRS: '',
    SYNC_INTERVAL_MS: '',
    IP_FAMILY: '',
    IP_SOURCES: '',
    IP_QUORUM: '',
    IP_ALLOW_CIDRS: '',
    NOTIFY_TIMEOUT_MS: '',
    IP_HINTS: '',
    PAGE_PORT: '',
    PAGE_TOKEN: '',
    BIND_ADDRESS: '',
    ALERT_URL: '',
    REDIS_TLS_CERT: '',
  });
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (env) => {
      faultsOf({ ...MINIMAL, ...env });
    }),
  );
});
