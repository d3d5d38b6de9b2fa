import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { readEnvironment } from '../../../host/env-file.ts';

function folder(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'p2p-env-'));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

describe('the environment', () => {
  test('is what is exported where there is no .env', (t) => {
    assert.deepEqual(readEnvironment(folder(t), { A: '1' }), { A: '1' });
  });

  test('has the .env under what is exported', (t) => {
    assert.deepEqual(readEnvironment(folder(t, { '.env': 'A=file\nB=file\n' }), { A: 'exported' }), {
      A: 'exported',
      B: 'file',
    });
  });

  test('comes from another file where one is named, and from none where that name is empty', (t) => {
    const path = folder(t, { '.env': 'A=1\n', other: 'A=2\n' });
    assert.equal(readEnvironment(path, { LOCAL_ENV_FILE: 'other' }).A, '2');
    assert.equal(readEnvironment(path, { LOCAL_ENV_FILE: '' }).A, undefined);
  });

  test('is refused where the named file is not there', (t) => {
    assert.throws(() => readEnvironment(folder(t), { LOCAL_ENV_FILE: 'nowhere' }), {
      name: 'ConfigError',
      message: /nowhere cannot be read \(ENOENT\)/,
    });
  });
});
