import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { needsRealRedis, startTestRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';

describe('the real redis-server of tests', needsRealRedis(), () => {
  test('keeps acknowledged writes over a kill with aof, and nothing without', async (t) => {
    for (const aof of [true, false]) {
      const testRedis = await startTestRedis(t, { engine: 'real', aof });
      await testRedis.command('SET', 'a', '1');

      await testRedis.kill();
      await testRedis.restart();

      assert.equal(await testRedis.command('GET', 'a'), aof ? '1' : null);
    }
  });

  test('leaves no process and no folder behind', async (t) => {
    const { server, stop } = await startTestRedis(t, { engine: 'real', aof: true });
    assert.ok(server !== undefined && existsSync(server.dir));

    await stop();

    assert.equal(existsSync(server.dir), false);
    assert.throws(() => process.kill(server.pid, 0), { code: 'ESRCH' });
  });

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
