import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { bundle } from '../../../host/bundle.ts';
import { EXIT } from '../../../host/main.ts';
import { temporaryFolder } from '../../support/owner.ts';
import { programEnv, ROOT } from '../../support/processes.ts';

const folder = temporaryFolder({ after });
const file = join(folder, 'p2p-scheduler.mjs');
const { packages } = await bundle(file);

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, args, {
    cwd: folder,
    env: programEnv(env),
    encoding: 'utf8',
    timeout: 20_000,
  });

describe('the bundle', () => {
  test('is one file that can be started', () => {
    assert.deepEqual(readdirSync(folder), ['p2p-scheduler.mjs']);
    assert.equal(statSync(file).mode & 0o111, 0o111);
    assert.match(readFileSync(file, 'utf8'), /^#!\/usr\/bin\/env -S node --max/);
  });

  test('holds nothing that only Lambda needs, and the licence of each package that it holds', () => {
    assert.ok(packages.includes('ioredis') && packages.includes('valibot'), packages.join());
    for (const name of packages) assert.doesNotMatch(name, /aws|middy|smithy|serverless|esbuild/);
    const text = readFileSync(file, 'utf8');
    for (const name of packages) assert.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+, `, 'm'));
  });

  test('has the commands of an operator beside the host', () => {
    const { status, stdout, stderr } = run([file, 'help']);
    assert.equal(status, 0, stderr);
    for (const command of ['host', 'doctor', 'status'])
      assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
    assert.equal(run([file, 'nonsense']).status, 2);
  });

  test('names every variable that is wrong, and ends with the exit code of a faulty configuration', () => {
    const { status, stderr, stdout } = run([file, 'host']);
    assert.equal(status, 78, stderr);
    assert.match(stderr, /LOCAL_UUID is required.*\n.*REDIS_URL is required/);
    assert.equal(stdout, '');
    assert.doesNotMatch(stderr, /^\s+at /m);
  });

  test('says which file it could not read, however it was named', () => {
    const named = run([file, 'host'], { LOCAL_ENV_FILE: 'nowhere' });
    // By its first line, as an operator does: Node itself would take the option, and end with 9.
    const given = spawnSync(file, ['host', '--env-file', 'nowhere'], {
      cwd: folder,
      env: programEnv({ PATH: `${dirname(process.execPath)}:${process.env.PATH}` }),
      encoding: 'utf8',
      timeout: 20_000,
    });
    for (const { status, stderr } of [named, given]) {
      assert.equal(status, EXIT.misconfigured, stderr);
      assert.match(stderr, /nowhere cannot be read/);
      assert.doesNotMatch(stderr, /^\s+at /m);
    }
  });

  test('says on an old Node that it needs a newer one, with an exit code after which systemd starts it no more', () => {
    const pretend = 'Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.19.0"}})';
    const { status, stderr } = run(['--import', `data:text/javascript,${pretend}`, file, 'host']);
    assert.equal(status, EXIT.misconfigured);
    assert.equal(stderr, 'Node 20.19.0 is too old for p2p-scheduler: it needs Node 22 or newer.\n');
  });
});

test('a checkout on an old Node ends with the same exit code', () => {
  const pretend =
    "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.19.0'}});require('./local/preflight.cjs')";
  const { status, stderr } = spawnSync(process.execPath, ['-e', pretend], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, EXIT.misconfigured);
  assert.match(stderr, /^Node 20\.19\.0 cannot run/);
});
