import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { type Owner, temporaryFolder } from '../support/owner.ts';
import { type PeerBehaviour, startPeer } from '../support/peer-server.ts';
import { programEnv, ROOT } from '../support/processes.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { uuidOf } from '../support/uuids.ts';
import { startSources } from './harness.ts';

const P2P = new URL('../../cli/p2p.ts', import.meta.url).pathname;
const LOCAL_UUID = '5e1f0000-0000-4000-8000-000000000001';
const PEER_UUID = '7d444840-9dc0-41d1-b245-5ffdce74fad2';
const PRODUCER_UUID = '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55';
const LIMIT = { timeout: 60_000 };

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `npm run p2p` as an operator has it: a process of its own, in a folder with an `.env`. */
async function operatorAt(t: Owner, env: Readonly<Record<string, string>>) {
  const folder = temporaryFolder(t);
  const lines = Object.entries(env).map(([name, value]) => `${name}='${value}'\n`);
  await writeFile(join(folder, '.env'), lines.join(''), { mode: 0o600 });
  const start = (args: readonly string[], exported: Readonly<Record<string, string>> = {}): ChildProcess => {
    const child = spawn(process.execPath, [P2P, ...args], {
      cwd: folder,
      env: programEnv({ HOME: folder, ...exported }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => void child.kill('SIGKILL'));
    return child;
  };
  return {
    envFile: join(folder, '.env'),
    start,
    run: (args: readonly string[], exported?: Readonly<Record<string, string>>) =>
      ended(start(args, exported)),
  };
}

async function ended(child: ChildProcess): Promise<Ended> {
  const { stdout, stderr } = child;
  assert.ok(stdout && stderr);
  const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, 'close')]);
  return { code, out, err };
}

function envOf({ url }: TestRedis, sources: string): Record<string, string> {
  return {
    LOCAL_UUID,
    REDIS_URL: url,
    PEER_ALLOW_CIDRS: '127.0.0.1/32',
    IP_ALLOW_CIDRS: '127.0.0.1/32,203.0.113.0/24',
    IP_SOURCES: sources,
    // The gateway of the machine on which the tests run is left alone.
    IP_HINTS: 'interface',
  };
}

describe('npm run p2p', () => {
  test('takes an operator from an empty Redis to producers that are told', LIMIT, async (t) => {
    const redis = await startTestRedis(t);
    const sources = await startSources(t);
    sources.tell('127.0.0.1');
    const [api, peer, producer] = [
      await startPeer(t, { body: { uuid: LOCAL_UUID } }),
      await startPeer(t, { body: { uuid: PEER_UUID } }),
      await startPeer(t),
    ];
    const { run } = await operatorAt(t, { ...envOf(redis, sources.list), PEER_PORT: String(api.port) });

    assert.match((await run(['status'])).out, /^UNKNOWN {4}Nothing has run on this Redis yet\n/);
    assert.equal((await run(['consumers', 'add', PEER_UUID, peer.address])).code, 0);
    assert.equal((await run(['producers', 'add', PRODUCER_UUID, producer.address])).code, 0);
    assert.match((await run(['sync'])).out, /^The round is complete: 1 call /);
    const check = await run(['check']);
    assert.equal(check.code, 0, check.err);
    assert.match(
      check.out,
      /^The address has changed: it is 127\.0\.0\.1 now\.\n[\s\S]*^1 producer told\.$/m,
    );
    assert.deepEqual(JSON.parse(producer.requests[0]?.body ?? ''), { uuid: LOCAL_UUID, ip: '127.0.0.1' });

    const status = await run(['status'], { FORCE_COLOR: '1' });
    assert.equal(status.code, 0);
    assert.match(status.out, /^OK {9}1 of 1 consumer alive, 1 producer told\n/);
    assert.ok(!status.out.includes('\u001b'), 'no colours where it is no terminal');
    const doctor = await run(['doctor', '--json']);
    assert.equal(doctor.code, 0, doctor.out);
    assert.equal(JSON.parse(doctor.out).failures, 0);
    assert.match((await run(['history'])).out, /^nothing -> 127\.0\.0\.1\n/);
  });

  test('ends a job in order on Ctrl-C, and when its terminal is closed', LIMIT, async (t) => {
    const redis = await startTestRedis(t);
    const sources = await startSources(t);
    const slow = await startPeer(t, () => 'hang');
    const operator = await operatorAt(t, { ...envOf(redis, sources.list), SYNC_TIMEOUT_MS: '20000' });
    await operator.run(['consumers', 'add', PEER_UUID, slow.address]);
    for (const [index, signal] of (['SIGINT', 'SIGHUP'] as const).entries()) {
      const child = operator.start(['sync']);
      const end = ended(child);
      await slow.received(index + 1);
      child.kill(signal);
      const { code, out } = await end;
      assert.equal(code, 130);
      assert.match(out, /^It ended before it was through/);
      assert.equal(await redis.command('EXISTS', '{p2p}:lease:sync:0'), 0);
    }
  });

  test(
    'ends a job in order on Ctrl-C through npm, which sends the signal a second time',
    LIMIT,
    async (t) => {
      const redis = await startTestRedis(t);
      const sources = await startSources(t);
      const slow = await startPeer(t, () => 'hang');
      const operator = await operatorAt(t, { ...envOf(redis, sources.list), SYNC_TIMEOUT_MS: '20000' });
      await operator.run(['consumers', 'add', PEER_UUID, slow.address]);
      const child = spawn('npm', ['run', '--silent', 'p2p', '--', 'sync', '--env-file', operator.envFile], {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
        // A process group, as a terminal has for what runs in front: Ctrl-C goes to all of it.
        detached: true,
      });
      const end = ended(child);
      await slow.received(1);
      process.kill(-(child.pid ?? assert.fail('npm did not start')), 'SIGINT');
      assert.match((await end).out, /^It ended before it was through/);
      assert.equal(await redis.command('EXISTS', '{p2p}:lease:sync:0'), 0);
    },
  );

  test('ends quietly when nobody reads its output any more', LIMIT, async (t) => {
    const redis = await startTestRedis(t);
    for (let n = 0; n < 3_000; n += 1_000) {
      await redis.command(
        'HSET',
        '{p2p}:consumers',
        ...Array.from({ length: 1_000 }, (_, i) => [uuidOf(n + i), '127.0.0.1']).flat(),
      );
    }
    const { start } = await operatorAt(t, envOf(redis, 'https://a.example'));
    const child = start(['consumers', '--limit', '0', '--json']);
    const errors = text(child.stderr ?? assert.fail());
    child.stdout?.destroy();
    const [code] = await once(child, 'exit');
    assert.equal(code, 141);
    assert.equal(await errors, '');
    const watching = start(['status', '--watch']);
    await once(watching.stdout ?? assert.fail(), 'data');
    watching.stdout?.destroy();
    assert.deepEqual(await once(watching, 'exit'), [141, null]);
  });

  test('runs the deployed function with --stage, and says what AWS refuses', LIMIT, async (t) => {
    const summary = {
      complete: true,
      probes: 7,
      states: { new: 0, alive: 6, suspect: 1, dead: 0 },
      durationMs: 900,
    };
    let behaviour: PeerBehaviour = () => ({ body: summary });
    const lambda = await startPeer(t, (request, response) => behaviour(request, response));
    const operator = await operatorAt(t, {});
    const run = (...args: string[]) =>
      operator.run([...args, '--stage', 'prod', '--region', 'eu-central-1'], {
        AWS_ENDPOINT_URL_LAMBDA: `http://${lambda.address}`,
        AWS_ACCESS_KEY_ID: 'planted-key',
        AWS_SECRET_ACCESS_KEY: 'planted-secret',
      });
    const name = (job: string) => `/2015-03-31/functions/p2p-consumer-scheduler-prod-${job}/invocations`;

    const sync = await run('sync');
    assert.equal(sync.code, 0, sync.err);
    assert.match(sync.out, /^The round is complete: 7 calls in 900 ms\.\nconsumers {2}6 alive, 1 suspect/);
    assert.match(sync.err, /^Running p2p-consumer-scheduler-prod-sync in eu-central-1/);
    assert.equal(lambda.requests[0]?.path, name('sync'));

    behaviour = () => ({ body: { outcome: 'idle', word: 'committed', acknowledged: 3, remaining: 0 } });
    const word = await run('notify', '--ip', '203.0.113.9', '--yes');
    assert.equal(word.code, 0, word.err);
    assert.match(word.out, /^Taken\. 3 producers told\.$/m);
    const { ip, id } = JSON.parse(lambda.requests[1]?.body ?? '');
    assert.equal(ip, '203.0.113.9');
    assert.match(id, /^[0-9a-f-]{36}$/);

    behaviour = () => ({
      body: { errorType: 'IdentityError', errorMessage: 'no\u001b[31m' },
      headers: { 'x-amz-function-error': 'Unhandled' },
    });
    const failed = await run('check');
    assert.equal(failed.code, 3);
    assert.match(failed.err, /ip-check failed\. IdentityError: no\\u\{1b\}\[31m/);

    behaviour = () => ({
      status: 404,
      headers: { 'x-amzn-errortype': 'ResourceNotFoundException' },
      body: { Message: 'not found' },
    });
    const absent = await run('sync', '--json');
    assert.equal(absent.code, 3);
    assert.equal(JSON.parse(absent.out).error.kind, 'aws');
    assert.match(absent.err.replaceAll('\n', ' '), /There is no such function: check --stage and --region/);
    assert.equal(lambda.requests.length, 4, 'asked once each time');
    for (const { out, err } of [sync, word, failed, absent]) assert.doesNotMatch(out + err, /planted/);
  });
});
