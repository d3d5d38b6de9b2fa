import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { postFrom } from '../../support/post-from.ts';
import { programEnv, ROOT } from '../../support/processes.ts';
import { startTestRedis } from '../../support/redis.ts';
import { newUuid } from './harness.ts';

function start(t: TestContext, script: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [script], {
    cwd: ROOT,
    env: programEnv({ LOCAL_ENV_FILE: '', ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const port = once(createInterface({ input: child.stdout }), 'line').then(([line]) =>
    Number(/\d+(?=\.$)/.exec(String(line))?.[0]),
  );
  return { child, exited, port, said: text(child.stderr) };
}

test('both references run as programs, and end in order when they are asked to', async (t) => {
  const redis = await startTestRedis(t);
  const uuid = newUuid();
  const api = start(t, 'kit/consumer-api/start.ts', {
    LOCAL_UUID: uuid,
    REDIS_URL: redis.tcpUrl,
    PEER_ALLOW_CIDRS: '127.0.0.0/8',
    LISTEN: '127.0.0.1:0',
  });
  const producer = start(t, 'kit/producer/start.ts', { LISTEN: '127.0.0.1:0' });

  const caller = newUuid();
  const reply = await postFrom('127.0.0.2', `127.0.0.1:${await api.port}`, '/sync', { uuid: caller });
  assert.equal(reply.fields.uuid, uuid);
  assert.equal(await redis.command('HGET', '{p2p}:consumers', caller), '127.0.0.2');
  const told = await postFrom('127.0.0.1', `127.0.0.1:${await producer.port}`, '/ip', {
    uuid,
    ip: '8.8.8.8',
  });
  assert.deepEqual(told.fields, { ip: '8.8.8.8', epoch: 0 });

  for (const { child, exited } of [api, producer]) {
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  }
});

test('a setting that cannot be used is said, and exit code 78', async (t) => {
  const producer = start(t, 'kit/producer/start.ts', {
    LISTEN: 'everywhere',
    PEER_KEYS: 'x=y',
    PROXIES: 'nginx',
  });
  assert.deepEqual(await producer.exited, [78, null]);
  assert.match(
    await producer.said,
    /LISTEN must be a port, or <ip>:<port> .*\n.*PEER_KEYS must be.*\n.*PROXIES must be a comma list of IP addresses/,
  );
});

test('a port that is in use is said in one line, and exit code 78', async (t) => {
  const first = start(t, 'kit/producer/start.ts', { LISTEN: '127.0.0.1:0' });
  const second = start(t, 'kit/producer/start.ts', { LISTEN: `127.0.0.1:${await first.port}` });
  assert.deepEqual(await second.exited, [78, null]);
  assert.match(await second.said, /^Cannot listen \(listen EADDRINUSE: .*\)\. LISTEN names another .*\n$/);
});
