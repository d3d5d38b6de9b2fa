import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findEnvironment, INSTALLED_ENV_FILE, noteHead, STACK_NOTE } from '../../../host/find-environment.ts';
import { leaveNote } from '../../../local/note.ts';
import { temporaryFolder } from '../../support/owner.ts';

describe('a command finds its consumer', () => {
  const none = '/does/not/exist';

  test('in what is exported, and in .env, before anything else', (t) => {
    const folder = temporaryFolder(t);
    const installed = join(folder, 'installed.env');
    writeFileSync(installed, 'LOCAL_UUID=installed\n');
    assert.equal(findEnvironment(folder, { LOCAL_UUID: 'exported' }, installed).env.LOCAL_UUID, 'exported');
    writeFileSync(join(folder, '.env'), 'LOCAL_UUID=file\n');
    assert.equal(findEnvironment(folder, {}, installed).env.LOCAL_UUID, 'file');
    assert.equal(findEnvironment(folder, { LOCAL_ENV_FILE: '' }, installed).env.LOCAL_UUID, undefined);
  });

  test('in the demo that runs in this folder, as long as it runs', async (t) => {
    const folder = temporaryFolder(t);
    const end = leaveNote(folder, {
      env: { LOCAL_UUID: 'demo', REDIS_URL: 'http://127.0.0.1:1', HOME: '/x' },
    });
    const { env } = findEnvironment(folder, {}, none);
    assert.deepEqual([env.LOCAL_UUID, env.REDIS_URL, env.HOME], ['demo', 'http://127.0.0.1:1', undefined]);
    await end();
    assert.equal(findEnvironment(folder, {}, none).env.LOCAL_UUID, undefined);
  });

  test('not in the note of a demo that was killed', (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, STACK_NOTE), `${noteHead(2 ** 30)}\nLOCAL_UUID=gone\n`);
    assert.equal(findEnvironment(folder, {}, none).env.LOCAL_UUID, undefined);
  });

  test('or is told every place where it was looked for', (t) => {
    const folder = temporaryFolder(t);
    assert.equal(
      findEnvironment(folder, {}, none).origin,
      `the exported variables (there is no ${join(folder, '.env')}, no demo of npm start that runs in this folder, and no ${none})`,
    );
  });

  test('in the settings of the installed host', (t) => {
    const folder = temporaryFolder(t);
    const installed = join(folder, 'installed.env');
    writeFileSync(installed, 'LOCAL_UUID=installed\n');
    assert.equal(findEnvironment(folder, {}, installed).env.LOCAL_UUID, 'installed');
  });

  test('which are where the unit and the README put them', () => {
    for (const file of ['host/p2p-scheduler.service', 'README.md']) {
      assert.match(
        readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'),
        new RegExp(INSTALLED_ENV_FILE),
      );
    }
  });
});
