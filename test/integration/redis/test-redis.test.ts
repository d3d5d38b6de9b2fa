import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { needsRealRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';

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
