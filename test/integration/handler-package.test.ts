import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { startPeer } from '../support/peer-server.ts';
import { programEnv, ROOT } from '../support/processes.ts';
import { startTestRedis } from '../support/redis.ts';
import { packageService } from '../support/service.ts';

const FUNCTIONS = ['sync', 'ip-check', 'producer-notify'];

/** Loads a packaged function as Lambda's runtime does, runs it once, and tells what came of it and what was loaded. */
const RUN = `
const { handler } = require(process.env.HANDLER);
const context = {
  awsRequestId: 'request-1', functionName: 'f', invokedFunctionArn: 'arn', memoryLimitInMB: '256',
  getRemainingTimeInMillis: () => 45_000,
};
handler({ source: 'schedule' }, context).then(
  (answer) => ({ answer }),
  (error) => ({ error: { name: error.name, message: error.message, properties: Object.getOwnPropertyNames(error) } }),
).then((outcome) => {
  const loaded = Object.keys(require.cache);
  require('node:fs').writeSync(3, JSON.stringify({ ...outcome, arity: handler.length, loaded }));
  process.exit(0);
});
`;

interface Run {
  readonly answer?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly name: string;
    readonly message: string;
    readonly properties: readonly string[];
  };
  readonly arity: number;
  /** The files that were loaded, those of the package by name, others by path. */
  readonly loaded: readonly string[];
  /** All that was printed. */
  readonly output: string;
}

// Not in a `before` hook: what a hook registers with `after` runs when the hook ends.
const service = await packageService({ after }, 'test');
const redis = await startTestRedis({ after }, { transport: 'rest' });

/** The API of Lambda, where functions start others. */
const lambda = await startPeer({ after }, { status: 202 });

async function run(name: string, env: Readonly<Record<string, string>>): Promise<Run> {
  const child = spawn(process.execPath, ['--eval', RUN], {
    cwd: service.folder,
    env: programEnv({
      HOME: service.folder,
      HANDLER: path.join(service.folder, 'functions', `${name}.cjs`),
      // Where the runtime ships the SDK: found by require(), not by import().
      NODE_PATH: path.join(ROOT, 'node_modules'),
      POWERTOOLS_METRICS_NAMESPACE: 'Test',
      POWERTOOLS_SERVICE_NAME: 'test',
      ...env,
    }),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const [out, err, result] = child.stdio.slice(1);
  assert.ok(out && err && result && 'read' in out && 'read' in err && 'read' in result);
  const [said, erred, told] = await Promise.all([text(out), text(err), text(result), once(child, 'close')]);
  assert.notEqual(told, '', `the function ended its process:\n${said}${erred}`);
  const { loaded, ...rest }: Run = JSON.parse(told);
  const inPackage = path.join(service.folder, 'functions') + path.sep;
  return {
    ...rest,
    loaded: loaded.map((file) => (file.startsWith(inPackage) ? path.basename(file) : file)).sort(),
    output: said + erred,
  };
}

const configuration = () => ({
  LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
  REDIS_URL: redis.url,
  REDIS_TOKEN: redis.token ?? '',
  IP_SOURCES: 'static:203.0.113.7',
  IP_ALLOW_CIDRS: '203.0.113.0/24',
  SYNC_FUNCTION: 'p2p-test-sync',
  PRODUCER_NOTIFY_FUNCTION: 'p2p-test-producer-notify',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_ENDPOINT_URL_LAMBDA: `http://${lambda.address}`,
});

describe('a packaged function', () => {
  for (const name of FUNCTIONS) {
    test(`${name} says what its configuration lacks, in one line of its log and to who invoked it`, async () => {
      const { error, arity, output, loaded } = await run(name, {});

      assert.equal(error?.name, 'ConfigError');
      assert.match(error?.message ?? '', /LOCAL_UUID is required[\s\S]*REDIS_URL is required/);
      assert.equal(output.match(/"level":"ERROR"/g)?.length, 1, output);
      assert.ok(arity <= 2, 'the runtime knows no callbacks any more');
      assert.deepEqual(loaded, [`${name}.cjs`]);
    });
  }

  test('invokes its sibling by the SDK that the runtime ships', async () => {
    const { answer, loaded, output } = await run('ip-check', configuration());

    assert.deepEqual([answer?.outcome, answer?.notify], ['changed', 'invoked'], output);
    assert.deepEqual(
      lambda.requests.map(({ path, body }) => [path, JSON.parse(body)]),
      [
        [
          '/2015-03-31/functions/p2p-test-producer-notify/invocations',
          { changed: { ip: '203.0.113.7', epoch: answer?.epoch } },
        ],
      ],
    );
    assert.ok(loaded.some((file) => file.includes('/@aws-sdk/client-lambda/')));
  });

  for (const name of FUNCTIONS) {
    test(`${name} loads nothing but its own file in a quiet run over REST`, async () => {
      const { answer, loaded, output } = await run(name, configuration());

      assert.ok(answer, output);
      assert.deepEqual(loaded, [`${name}.cjs`]);
    });
  }

  test('loads ioredis from beside it where Redis is reached over TCP', async () => {
    const { answer, loaded, output } = await run('ip-check', { ...configuration(), REDIS_URL: redis.tcpUrl });

    assert.equal(answer?.outcome, 'confirmed', output);
    assert.deepEqual(loaded, ['ioredis.cjs', 'ip-check.cjs']);
  });

  test('is small: what is loaded is what a cold start waits for', () => {
    for (const name of FUNCTIONS) {
      const bytes = service.code.get(`functions/${name}.cjs`)?.length ?? 0;
      assert.ok(bytes > 0 && bytes <= 220 * 1024, `${name} has ${bytes} bytes`);
    }
  });
});
