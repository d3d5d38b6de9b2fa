import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { handbook, opening } from '../../../local/banner.ts';
import { readStack } from '../../../local/env.ts';
import { StartError } from '../../../local/lifecycle.ts';
import { temporaryFolder } from '../../support/owner.ts';

const UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';

function folder(t: TestContext, dotEnv?: string): string {
  const path = temporaryFolder(t);
  if (dotEnv !== undefined) writeFileSync(join(path, '.env'), dotEnv);
  return path;
}

test('without .env and REDIS_URL it is the demo, with all that its functions need', (t) => {
  const { kind, config, ports } = readStack(folder(t), { PATH: '/bin' });
  assert.equal(kind, 'demo');
  assert.equal(config.redis.url, 'http://127.0.0.1:8079');
  assert.equal(config.ip.sources.length, 3);
  assert.equal(config.ip.quorum, 2);
  assert.deepEqual(ports, { lambda: 3002, redis: 6390, rest: 8079, page: 8090, world: 8100 });
});

test('with .env it is the own Redis, and an exported variable wins over the file', (t) => {
  const path = folder(t, `LOCAL_UUID=${UUID}\nREDIS_URL=redis://127.0.0.1:7000\nSYNC_CONCURRENCY=7\n`);
  const { kind, config, env } = readStack(path, { SYNC_CONCURRENCY: '9' });
  assert.equal(kind, 'own');
  assert.equal(config.redis.url, 'redis://127.0.0.1:7000');
  assert.equal(config.sync.concurrency, 9);
  assert.equal(env.SYNC_CONCURRENCY, '9');
});

test('exported variables alone are enough for the own Redis', (t) => {
  const exported = {
    LOCAL_UUID: UUID,
    UPSTASH_REDIS_REST_URL: 'https://x.upstash.io',
    UPSTASH_REDIS_REST_TOKEN: 't',
  };
  assert.equal(readStack(folder(t), exported).kind, 'own');
});

test('a faulty .env is refused with every fault, and with the way back to the demo', (t) => {
  const path = folder(t, 'LOCAL_UUID=nonsense\nSYNC_TIMEOUT_MS=1\n');
  assert.throws(
    () => readStack(path, {}),
    (error: unknown) => {
      assert.ok(error instanceof StartError);
      assert.match(error.message, /LOCAL_UUID must be a UUID/);
      assert.match(error.message, /REDIS_URL is required/);
      assert.match(error.message, /SYNC_TIMEOUT_MS must be a whole number/);
      assert.match(error.message, /move \.env away/);
      return true;
    },
  );
});

test('the functions get no credentials of a real AWS account', (t) => {
  const exported = {
    AWS_PROFILE: 'prod',
    AWS_SESSION_TOKEN: 's',
    AWS_ACCESS_KEY_ID: 'real',
    AWS_REGION: 'x',
  };
  const { env } = readStack(folder(t), exported);
  assert.deepEqual(Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('AWS_'))), {
    AWS_ENDPOINT_URL_LAMBDA: 'http://127.0.0.1:3002',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });
});

test('bad ports are refused together', (t) => {
  assert.throws(
    () => readStack(folder(t), { LOCAL_LAMBDA_PORT: '99999', LOCAL_REST_PORT: 'x' }),
    /LOCAL_LAMBDA_PORT must be a port from 1 to 65535\n.*LOCAL_REST_PORT must be/,
  );
});

test('what is printed at the start fits 80 columns and holds no secret', (t) => {
  const own = readStack(folder(t), {
    LOCAL_UUID: UUID,
    REDIS_URL: 'rediss://user:hunter22@redis.example:6380',
  });
  const demo = readStack(folder(t), {});
  for (const text of [opening(own), handbook(own), opening(demo), handbook(demo)]) {
    for (const row of text.split('\n')) assert.ok(row.length <= 80, row);
    assert.doesNotMatch(text, /hunter22/);
  }
  assert.match(opening(own), /rediss:\/\/redis\.example:6380/);
  assert.match(handbook(demo), /npm run demo:ip/);
});
