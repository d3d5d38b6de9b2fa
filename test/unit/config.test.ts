import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  assert.deepEqual(config.peers, { port: 80, allowCidrs: [], runtimeApi: undefined });
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
    prefix: '{p2p}:',
  });
  assert.equal(loadConfig({ ...MINIMAL, ...upstash }).redis.url, MINIMAL.REDIS_URL);
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
  });
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (env) => {
      faultsOf({ ...MINIMAL, ...env });
    }),
  );
});
