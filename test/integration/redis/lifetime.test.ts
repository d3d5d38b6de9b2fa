import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { startEmbeddedRedis } from '../../../local/redis/embedded.ts';
import { needsRealRedis, startTestRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';

describe('a program that sent something', () => {
  for (const transport of ['tcp', 'rest'] as const) {
    test(`over ${transport} ends by itself once the client is closed`, async (t) => {
      const { url, token } = await startTestRedis(t, { transport });
      const { exited, firstLine } = runModule(
        t,
        `import { createRequire } from 'node:module';
         import { createRedis } from './lib/redis/client.ts';
         const redis = createRedis(${JSON.stringify({ url, token })});
         await redis.send([['SET', 'a', '1']], { repeatable: false });
         await redis.close();
         const loaded = Object.keys(createRequire(import.meta.url).cache);
         console.log(loaded.some((path) => path.includes('/ioredis/')));`,
      );

      assert.equal(await firstLine, String(transport === 'tcp'), 'ioredis is loaded for TCP alone');
      assert.deepEqual(await exited, [0, null]);
    });
  }
});

describe('the embedded Redis', () => {
  test('is not in the process group of its parent, and ends with close', async () => {
    const embedded = await startEmbeddedRedis();
    process.kill(-embedded.pid, 0);
    await embedded.close();
    await embedded.close();
    assert.throws(() => process.kill(embedded.pid, 0), { code: 'ESRCH' });
  });

  test('is known to have ended when somebody else ends it', async () => {
    const embedded = await startEmbeddedRedis();
    process.kill(embedded.pid, 'SIGKILL');
    await embedded.exited;
    assert.throws(() => process.kill(embedded.pid, 0), { code: 'ESRCH' });
  });

  test('listens on 127.0.0.1 only', async (t) => {
    const embedded = await startEmbeddedRedis();
    const port = Number(new URL(embedded.url).port);
    t.after(embedded.close);
    // A socket on every interface would be on this one too.
    await assert.rejects(once(connect(port, '::1'), 'connect'));
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  });

  test('says when its port is in use', async (t) => {
    const embedded = await startEmbeddedRedis();
    t.after(embedded.close);
    await assert.rejects(startEmbeddedRedis({ port: Number(new URL(embedded.url).port) }), /EADDRINUSE/);
  });

  test('dies with its parent, even if that is killed', async (t) => {
    const { child, firstLine } = runModule(
      t,
      `import { startEmbeddedRedis } from './local/redis/embedded.ts';
       const { pid, url } = await startEmbeddedRedis();
       console.log(pid, url);`,
    );
    const [pid, url = ''] = (await firstLine).split(' ');
    process.kill(Number(pid), 0);

    child.kill('SIGKILL');

    const gone = () =>
      fetch(url.replace('redis:', 'http:')).then(
        () => false,
        (error) => error.cause?.code === 'ECONNREFUSED',
      );
    while (!(await gone()));
  });
});

describe('the real redis-server of tests', needsRealRedis(), () => {
  test('does not outlive a test that is killed', async (t) => {
    const { child, firstLine } = runModule(
      t,
      `import { startRedisServer } from './test/support/redis-server.ts';
       const { pid, dir } = await startRedisServer();
       console.log(pid, dir);`,
    );
    const [, dir = ''] = (await firstLine).split(' ');
    assert.equal(existsSync(dir), true);

    child.kill('SIGKILL');

    while (existsSync(dir)) await new Promise(setImmediate);
  });
});
