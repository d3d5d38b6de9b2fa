import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Node takes `--env-file` for its own wherever it stands, unless a `--` is before it: the scripts of package.json have one.
for (const [script, args, status] of [
  ['host', [], 78],
  ['start', [], 1],
  ['p2p', ['status'], 3],
] as const) {
  test(`npm run ${script} refuses an --env-file that is not there, by its name`, () => {
    const run = spawnSync('npm', ['run', '--silent', script, '--', ...args, '--env-file', 'nowhere.env'], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
    });
    assert.match(run.stderr, /the file \S+nowhere\.env cannot be read: there is none/);
    assert.equal(run.status, status);
  });
}
