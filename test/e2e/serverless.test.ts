import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { describeVariable, variableNames } from '../../lib/variables.ts';
import { startPeer } from '../support/peer-server.ts';
import { freePorts } from '../support/ports.ts';
import { descendants, processGone, programEnv } from '../support/processes.ts';
import { startTestRedis } from '../support/redis.ts';
import { copyService, runServerless } from '../support/service.ts';

/** The commands that every Serverless user knows, with a `.env`. */
const TIMEOUT = { timeout: 120_000 };
const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const OWN_IP = '203.0.113.7';

const folder = await copyService({ after });
const redis = await startTestRedis({ after }, { transport: 'rest' });
const { lambda: port } = await freePorts();

/** Lines of `.env.example` that somebody has kept without a value. */
const EMPTY = Object.fromEntries(
  variableNames()
    .filter((name) => describeVariable(name).readBy !== 'jobs')
    .map((name) => [name, '']),
);

/** Writes the `.env` of somebody whose Redis is reached so. */
function writeEnv(more: Readonly<Record<string, string>>): Promise<void> {
  const variables = {
    ...EMPTY,
    LOCAL_UUID,
    PEER_ALLOW_CIDRS: '127.0.0.1/32',
    IP_SOURCES: `static:${OWN_IP}`,
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    LOCAL_LAMBDA_PORT: String(port),
    SYNC_SCHEDULE: 'rate(30 days)',
    IP_CHECK_SCHEDULE: 'rate(30 days)',
    ...more,
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  return writeFile(path.join(folder, '.env'), lines.join(''));
}

const overRest = () =>
  writeEnv({
    REDIS_URL: '',
    REDIS_TOKEN: '',
    UPSTASH_REDIS_REST_URL: redis.url,
    UPSTASH_REDIS_REST_TOKEN: redis.token ?? '',
  });
const overTcp = () => writeEnv({ REDIS_URL: redis.tcpUrl });

/** Credentials of a real account, which no local function may see. */
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'planted-key',
  AWS_SECRET_ACCESS_KEY: 'planted-secret',
  AWS_SESSION_TOKEN: 'planted-session',
};

function npx(
  args: readonly string[],
): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  return spawn('npx', ['serverless', ...args], {
    cwd: folder,
    env: programEnv({ HOME: folder, ...CREDENTIALS }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('serverless invoke local', () => {
  for (const [transport, configure] of [
    ['REST', overRest],
    ['redis://', overTcp],
  ] as const) {
    test(`runs a round over ${transport}, and ends by itself`, TIMEOUT, async () => {
      await redis.command('FLUSHALL');
      await configure();

      const { code, output } = await runServerless(folder, ['invoke', 'local', '-f', 'sync'], CREDENTIALS);

      assert.equal(code, 0, output);
      assert.match(output, /"complete": true/);
      assert.equal(await redis.command('XLEN', '{p2p}:sync:rounds'), 1);
    });
  }

  test('refuses a .env whose values Serverless would change', TIMEOUT, async () => {
    await writeEnv({ REDIS_URL: 'redis://:planted$word@127.0.0.1:1' });

    const { code, output } = await runServerless(folder, ['invoke', 'local', '-f', 'ip-check'], CREDENTIALS);

    assert.notEqual(code, 0);
    assert.match(output, /REDIS_URL in \.env holds a \$/);
    assert.doesNotMatch(output, /planted/);
  });
});

describe('npx serverless offline', () => {
  test('runs all three functions with a .env, and its functions find each other', TIMEOUT, async (t) => {
    await redis.command('FLUSHALL');
    await overRest();
    const producer = await startPeer(t);
    await redis.command('HSET', '{p2p}:producers', '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55', producer.address);

    const child = npx(['offline']);
    const started = [child.pid ?? -1];
    t.after(async () => {
      started.push(...descendants(child.pid ?? -1));
      child.kill('SIGINT');
      for (const pid of started.slice(1)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
      await Promise.all(started.map(processGone));
    });
    const lines: string[] = [];
    const ready = Promise.withResolvers<void>();
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        if (line.startsWith('Scheduling [ip-check]')) ready.resolve();
      });
    }
    const ended = once(child, 'exit').then(() => assert.fail(`serverless ended:\n${lines.join('\n')}`));
    ended.catch(() => undefined);
    await Promise.race([ready.promise, ended]);

    const response = await fetch(
      `http://127.0.0.1:${port}/2015-03-31/functions/p2p-consumer-scheduler-local-ip-check/invocations`,
      { method: 'POST', body: '{}' },
    );
    const { outcome, notify } = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([outcome, notify], ['changed', 'invoked'], lines.join('\n'));
    const [request] = await producer.received(1);
    assert.equal(JSON.parse(request?.body ?? '{}').ip, OWN_IP);
  });
});

describe('what would deploy this machine', () => {
  for (const command of ['deploy', 'remove']) {
    test(`serverless ${command} is refused`, TIMEOUT, async () => {
      await overRest();

      const { code, output } = await runServerless(folder, [command], CREDENTIALS);

      assert.notEqual(code, 0);
      assert.match(output, /stage "local" is for this machine/);
    });
  }
});
