import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { needsRealRedis } from '../support/redis.ts';
import { ROOT } from '../support/service.ts';
import { readOptions } from './options.ts';

/** Enough for a few faults; `npm run soak` does more. */
const MINUTES = '0.3';

interface Ended {
  readonly code: number;
  readonly output: string;
}

function soak(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['test/soak/run.ts', ...args], { cwd: ROOT }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });
}

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
