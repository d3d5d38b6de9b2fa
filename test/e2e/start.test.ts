import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createKeyPair } from '../../lib/peers/signing.ts';
import { feedOf } from '../support/feed.ts';
import { temporaryFolder } from '../support/owner.ts';
import { startPeer } from '../support/peer-server.ts';
import { freePorts, isFree, type StackPorts } from '../support/ports.ts';
import { descendants, processGone, programEnv, ROOT } from '../support/processes.ts';
import { startTestRedis } from '../support/redis.ts';

const LONG = { timeout: 240_000 };

interface Npm {
  readonly pid: number;
  readonly ports: StackPorts;
  readonly env: NodeJS.ProcessEnv;
  /** Resolves with the first row of its output that matches, from the beginning. */
  line(pattern: RegExp): Promise<string>;
  output(): string;
  /** Resolves with its exit code, or the signal, once its output is at its end. */
  readonly closed: Promise<number | NodeJS.Signals>;
}

/** `npm start` (or another script) as a user types it, on ports of its own, without the user's own .env. */
async function npm(t: TestContext, env: NodeJS.ProcessEnv = {}, given?: StackPorts): Promise<Npm> {
  const folder = temporaryFolder(t);
  const ports = given ?? (await freePorts());
  const full: NodeJS.ProcessEnv = {
    ...process.env,
    LOCAL_ENV_FILE: '',
    LOCAL_LOG: join(folder, 'functions.log'),
    LOCAL_LAMBDA_PORT: String(ports.lambda),
    LOCAL_REDIS_PORT: String(ports.redis),
    LOCAL_REST_PORT: String(ports.rest),
    LOCAL_PAGE_PORT: String(ports.page),
    LOCAL_WORLD_PORT: String(ports.world),
    ...env,
  };
  for (const name of ['REDIS_URL', 'UPSTASH_REDIS_REST_URL', 'LOCAL_UUID']) {
    if (env[name] === undefined) delete full[name];
  }
  // In a group of its own, as a shell starts it, so that a Ctrl-C can be sent to all of it.
  const child = spawn('npm', ['start'], { cwd: ROOT, env: full, detached: true });
  const pid = child.pid ?? assert.fail('npm did not start');
  const rows = feedOf(child);
  const closed = once(child, 'close').then(([code, signal]) => code ?? signal);
  t.after(async () => {
    const started = [pid, ...descendants(pid)];
    for (const id of started) {
      try {
        process.kill(id, 'SIGKILL');
      } catch {
        // It has ended, as it should.
      }
    }
    await closed;
  });
  return {
    pid,
    ports,
    env: full,
    closed,
    output: () => rows.items.join('\n'),
    line: (pattern) => rows.first((row) => pattern.test(row)),
  };
}

async function assertAllGone(started: readonly number[], ports: StackPorts): Promise<void> {
  assert.ok(started.length >= 2, `npm, the stack and serverless at least: ${started}`);
  await Promise.all(started.map(processGone));
  for (const port of [ports.lambda, ports.redis, ports.rest, ports.page, ports.world]) {
    assert.equal(await isFree(port), true, `port ${port}`);
  }
}

/** The operator's command, typed beside a stack by somebody who has exported nothing. */
async function p2p(...words: readonly string[]): Promise<{ code: number; out: string }> {
  const child = spawn('npm', ['run', '--silent', 'p2p', '--', ...words], {
    cwd: ROOT,
    env: programEnv({ HOME: process.env.HOME }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  const [code] = await once(child, 'close');
  return { code, out };
}

function assertReadable(everything: string): void {
  const output = everything
    .split('\n')
    .filter((row) => !row.startsWith('npm '))
    .join('\n');
  assert.doesNotMatch(output, /^\s+at .*:\d+:\d+/m, 'no stack trace');
  assert.doesNotMatch(output.replaceAll('\n', ''), /\p{Cc}/u, 'no control characters');
  for (const row of output.split('\n')) assert.ok(row.length <= 80, `over 80 columns: ${row}`);
}

test(
  'a newcomer sees all of it without doing anything, and changes the IP with one command',
  LONG,
  async (t) => {
    const start = await npm(t);
    for (const expected of [
      /^Redis +embedded/,
      /alder +alive/,
      /dogwood +suspect .*refused/,
      /fir +alive/,
      /liar +alive/,
      /who knows whom:/,
      /^ +you alder birch cedar dogwood fir liar$/,
      /birch .*is a consumer now/,
      /^ +you +\+ +\+/,
      /^ +birch +\+ +\+/,
      /the public IP is 203\.0\.113\.10/,
      /north got POST \/ip with 203\.0\.113\.10 and answered 200/,
      /south got POST \/ip with 203\.0\.113\.10 and answered 200/,
      /west got POST \/ip with 203\.0\.113\.10 and answered 503/,
      /west not told yet/,
      /npm run demo:ip/,
      /curl -d '\{\}' \$api\/p2p-consumer-scheduler-local-sync\/invocations/,
      /--function-name p2p-consumer-scheduler-local-ip-check/,
      /redis-cli -p \d+ hgetall/,
    ]) {
      await start.line(expected);
    }

    // Beside it every command finds the demo without a setting, and the page shows the same.
    const [status, history, page] = await Promise.all([
      p2p('status', '--json'),
      p2p('history'),
      fetch(`http://127.0.0.1:${start.ports.page}/`).then((response) => response.text()),
    ]);
    assert.deepEqual(
      [status.code, JSON.parse(status.out).reasons.map(({ code }: { code: string }) => code)],
      [1, ['producers-not-told']],
    );
    assert.equal(history.code, 0);
    assert.match(page, /<h1>ATTENTION<\/h1>.*1 producer not told/s);

    const demo = spawn('npm', ['run', 'demo:ip', '--', '203.0.113.77'], { cwd: ROOT, env: start.env });
    assert.deepEqual(await once(demo, 'close'), [0, null]);
    await start.line(/the public IP changed from 203\.0\.113\.10 to 203\.0\.113\.77/);
    for (const producer of ['north', 'south', 'west']) {
      await start.line(new RegExp(`${producer} got POST /ip with 203\\.0\\.113\\.77 and answered 200`));
    }
    await start.line(/this change is delivered: 3 told/);
    // Nobody asks for this check but the schedule, which fires at each full minute.
    await start.line(/checked: still 203\.0\.113\.77/);

    const started = [start.pid, ...descendants(start.pid)];
    assert.ok(started.length >= 4, 'npm, the stack, the embedded Redis and serverless');
    // What a terminal does with Ctrl-C: every process of the foreground group gets it.
    process.kill(-start.pid, 'SIGINT');
    assert.equal(await start.closed, 0);
    await assertAllGone(started, start.ports);
    assertReadable(start.output());
  },
);

test('SIGTERM to npm ends everything, also while it is starting', LONG, async (t) => {
  const start = await npm(t);
  await start.line(/starting the functions/);
  const started = [start.pid, ...descendants(start.pid)];
  process.kill(start.pid, 'SIGTERM');
  await start.closed;
  await assertAllGone(started, start.ports);
  assertReadable(start.output());
});

test(
  'with an own Redis there is no simulated world, and the death of npm ends everything',
  LONG,
  async (t) => {
    const redis = await startTestRedis(t);
    const uuid = randomUUID();
    const consumer = await startPeer(t);
    const source = await startPeer(t, { body: '203.0.113.5' });
    await redis.command('HSET', '{p2p}:consumers', uuid, consumer.address);
    const { secretKey } = createKeyPair();
    const folder = temporaryFolder(t);
    const file = join(folder, 'env');
    writeFileSync(
      file,
      `LOCAL_UUID=${randomUUID()}\nREDIS_URL=${redis.tcpUrl}\nPEER_ALLOW_CIDRS=127.0.0.1/32\n` +
        `SIGNING_KEY=${secretKey}\nREDIS_TOKEN=planted-token\n` +
        `IP_SOURCES=http://${source.address}\nIP_ALLOW_CIDRS=203.0.113.0/24\n`,
    );
    const start = await npm(t, { LOCAL_ENV_FILE: file });

    await start.line(/^Redis +yours, redis:\/\/127\.0\.0\.1:/);
    const [request] = await consumer.received(1);
    assert.equal(request?.path, '/sync');
    assert.match(String(request?.headers['webhook-signature']), /^v1a,/, 'what .env says is signed');
    await start.line(new RegExp(`${uuid}  alive`));
    await start.line(/the public IP is 203\.0\.113\.5/);
    assert.doesNotMatch(start.output(), /simulated|alder|demo:ip/);
    const seen = start.output() + readFileSync(start.env.LOCAL_LOG ?? '', 'utf8');
    for (const secret of [secretKey.slice(5), 'planted-token']) assert.ok(!seen.includes(secret));
    assert.equal(await isFree(start.ports.world), true, 'no world');
    assert.equal(await isFree(start.ports.rest), true, 'no REST face');

    const started = [start.pid, ...descendants(start.pid)];
    process.kill(start.pid, 'SIGKILL');
    await assertAllGone(started, start.ports);
  },
);

test('a port in use is one clear message and exit code 1', LONG, async (t) => {
  const ports = await freePorts();
  await startPeer(t, {}, { port: ports.rest });
  const start = await npm(t, {}, ports);
  assert.equal(await start.closed, 1);
  assert.match(start.output(), new RegExp(`127\\.0\\.0\\.1:${ports.rest} is in use.*REST API`));
  assert.match(start.output(), /LOCAL_REST_PORT/);
  assert.doesNotMatch(start.output(), /starting the functions|^\s+at /m);
});

test('a Redis that cannot be used is one clear message and exit code 1', LONG, async (t) => {
  const uuid = randomUUID();
  const unreachable = await npm(t, { LOCAL_UUID: uuid, REDIS_URL: 'redis://u:hunter22@127.0.0.1:1' });
  assert.equal(await unreachable.closed, 1);
  assert.match(unreachable.output(), /Redis cannot be used:.*127\.0\.0\.1:1/);
  assert.doesNotMatch(unreachable.output(), /hunter22|starting the functions|^\s+at /m);

  const redis = await startTestRedis(t, { transport: 'rest' });
  const wrongToken = await npm(t, { LOCAL_UUID: uuid, REDIS_URL: redis.url, REDIS_TOKEN: 'wrong-token' });
  assert.equal(await wrongToken.closed, 1);
  assert.match(wrongToken.output(), /REDIS_TOKEN/);
  assert.doesNotMatch(wrongToken.output(), /wrong-token|^\s+at /m);

  await redis.command('SET', '{p2p}:uuid', randomUUID());
  const foreign = await npm(t, {
    LOCAL_UUID: uuid,
    REDIS_URL: redis.url,
    REDIS_TOKEN: redis.token,
  });
  assert.equal(await foreign.closed, 1);
  assert.match(foreign.output(), /belongs to another consumer/);
  assert.doesNotMatch(foreign.output(), /^\s+at /m);
});

test('a wrong variable is one clear message and exit code 1', LONG, async (t) => {
  const start = await npm(t, { REDIS_URL: 'redis://127.0.0.1:1', SYNC_TIMEOUT_MS: 'soon' });
  assert.equal(await start.closed, 1);
  assert.match(start.output(), /LOCAL_UUID is required/);
  assert.match(start.output(), /SYNC_TIMEOUT_MS must be/);
  assert.doesNotMatch(start.output(), /^\s+at /m);
});
