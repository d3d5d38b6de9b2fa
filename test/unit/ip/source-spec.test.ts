import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_IP_SOURCES, parseSource, type SourceSpec } from '../../../lib/ip/source-spec.ts';

const spec = (entry: string): SourceSpec => {
  const parsed = parseSource(entry);
  assert.ok('kind' in parsed, entry);
  return parsed;
};

test('the default sources are five, over https, of five operators', () => {
  const specs = DEFAULT_IP_SOURCES.split(',').map(spec);
  assert.equal(specs.length, 5);
  assert.ok(specs.every((source) => source.kind === 'http' && source.url.protocol === 'https:'));
  assert.equal(new Set(specs.map(({ operator }) => operator)).size, 5);
});

test('services of one operator count as one', () => {
  const operators: [entry: string, operator: string][] = [
    ['https://checkip.amazonaws.com', 'aws'],
    ['https://checkip.global.api.aws', 'aws'],
    ['https://icanhazip.com', 'cloudflare'],
    ['https://ipv4.icanhazip.com', 'cloudflare'],
    ['https://www.cloudflare.com/cdn-cgi/trace', 'cloudflare'],
    ['https://api.ipify.org', 'ipify.org'],
    ['https://API64.ipify.ORG./', 'ipify.org'],
    ['https://v4.ident.me', 'ident.me'],
    ['https://tnedi.me', 'ident.me'],
    ['https://ip.example.co.uk', 'example.co.uk'],
    ['https://v4.ip.example.co.uk', 'example.co.uk'],
    ['https://other.co.uk', 'other.co.uk'],
    ['https://ip.example.com.au', 'example.com.au'],
    ['https://ip.example.ne.jp', 'example.ne.jp'],
    ['https://ip.example.com', 'example.com'],
    ['https://a.b.example.de', 'example.de'],
    ['https://ip.or.de', 'or.de'],
    ['https://one.github.io', 'github.io'],
    ['https://two.github.io', 'github.io'],
    ['https://1.2.3.4', '1.2.3.4'],
    ['http://127.0.0.1:8080', '127.0.0.1:8080'],
    ['http://127.0.0.1:8081', '127.0.0.1:8081'],
    ['https://[2a00:1450::1]/', '[2a00:1450::1]'],
    ['dns:Home.Example.ORG', 'dns'],
    ['dns:other.example.net', 'dns'],
    ['static:8.8.8.8', 'static'],
  ];
  for (const [entry, operator] of operators) assert.equal(spec(entry).operator, operator);
});

test('http is for a loopback host only', () => {
  for (const entry of [
    'http://127.0.0.1',
    'http://127.9.8.7:80/x',
    'http://localhost:1',
    'http://[::1]:8080',
  ]) {
    assert.equal(spec(entry).kind, 'http');
  }
  for (const entry of [
    'http://ident.me',
    'http://128.0.0.1',
    'http://127.0.0.1.example.org',
    'http://localhost.example.org',
    'http://[::2]',
    'http://[::ffff:127.0.0.1]',
    'http://0.0.0.0',
    'ftp://127.0.0.1',
    'file:///etc/passwd',
    'javascript:1',
  ]) {
    assert.ok('fault' in parseSource(entry), entry);
  }
});

test('an unusable entry is told with what is wrong, and without its credentials', () => {
  for (const entry of [
    '',
    'ident.me',
    'https://',
    'https://user:hunter2@ident.me',
    'https://hunter2@ident.me',
    'dns:',
    'dns:8.8.8.8',
    'dns:localhost',
    'dns:a..b',
    'dns:-a.example.org',
    `dns:${'a'.repeat(64)}.example.org`,
    `dns:${'a.'.repeat(130)}org`,
    'dns:exam ple.org',
    'dns:example.org\n',
    'static:',
    'static:example.org',
    'static:8.8.8',
    'static:8.8.8.8/32',
    'static:8.8.8.8:80',
  ]) {
    const parsed = parseSource(entry);
    assert.ok('fault' in parsed, entry);
    assert.ok(!parsed.fault.includes('hunter2'));
  }
});

test('a token in a query is in neither name', () => {
  const { id, operator } = spec('https://echo.example.org/ip?token=hunter2');
  assert.equal(id, 'echo.example.org');
  assert.equal(operator, 'example.org');
});
