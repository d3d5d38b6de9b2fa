import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runScript } from '../support/processes.ts';
import { needsRealRedis } from '../support/redis.ts';
import { readOptions } from './options.ts';

/** Enough for a few faults; `npm run soak` does more. */
const MINUTES = '0.3';

const soak = (...args: string[]) => runScript('test/soak/run.ts', ...args);

describe('the soak', () => {
  test('finds a host that gets over every fault by itself', {
    ...needsRealRedis(),
    timeout: 240_000,
  }, async () => {
    const { code, output } = await soak('--minutes', MINUTES, '--seed', '2');
    assert.equal(code, 0, output);
    assert.match(output, /^[1-9]\d* faults, .* 0 problems$/m);
  });

  test('refuses what it does not know', async () => {
    for (const args of [['--minutes', '0'], ['--seed', 'x'], ['--only', 'nothing'], ['5']]) {
      assert.equal(readOptions(args, ['redis-stopped']), undefined, args.join(' '));
    }
    const { code, output } = await soak('--only', 'nothing');
    assert.equal(code, 2);
    assert.match(output, /^Usage: npm run soak/);
  });
});
