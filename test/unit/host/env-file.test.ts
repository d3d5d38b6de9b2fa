import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileOption, readEnvironment } from '../../../host/env-file.ts';
import { ConfigError } from '../../../lib/errors.ts';
import { temporaryFolder } from '../../support/owner.ts';

function folder(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const path = temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

describe('the environment', () => {
  const faultsOf = (path: string, exported: Record<string, string> = {}) => {
    try {
      readEnvironment(path, exported);
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return error;
    }
    return assert.fail('it was read');
  };

  test('is what is exported where there is no .env', (t) => {
    const path = folder(t);
    assert.deepEqual(readEnvironment(path, { A: '1' }), {
      env: { A: '1' },
      file: undefined,
      origin: `the exported variables (there is no ${join(path, '.env')})`,
    });
  });

  test('has the .env under what is exported, and tells how many variables it gave', (t) => {
    const path = folder(t, { '.env': 'A=file\nB=file\n' });
    assert.deepEqual(readEnvironment(path, { A: 'exported' }), {
      env: { A: 'exported', B: 'file' },
      file: join(path, '.env'),
      origin: `${join(path, '.env')} (2 variables) and the exported variables`,
    });
  });

  test('comes from another file where one is named, and from none where that name is empty', (t) => {
    const path = folder(t, { '.env': 'A=1\n', other: 'A=2\n' });
    assert.equal(readEnvironment(path, { LOCAL_ENV_FILE: 'other' }).env.A, '2');
    assert.equal(readEnvironment(path, { LOCAL_ENV_FILE: '' }).env.A, undefined);
  });

  test('is refused where the named file is not there', (t) => {
    assert.match(
      faultsOf(folder(t), { LOCAL_ENV_FILE: 'nowhere' }).message,
      /nowhere cannot be read: there is none/,
    );
  });

  test('reads a file that begins with a byte order mark', (t) => {
    const path = folder(t, { '.env': '\ufeffREDIS_PREFIX={mine}:\n' });
    assert.equal(readEnvironment(path, {}).env.REDIS_PREFIX, '{mine}:');
  });

  test('is not refused for comments, and for what is none of our variables', (t) => {
    const text = '# PEER_PORT: 81\n#PEER_PORT 81\nOTHER: 1\nREDIS_PREFIX=  # ours\nPEER_PORT=82\n';
    assert.deepEqual(readEnvironment(folder(t, { '.env': text }), {}).env, {
      REDIS_PREFIX: '',
      PEER_PORT: '82',
    });
  });

  test('takes quotes, comments and Windows line ends as .env files have them', (t) => {
    const path = folder(t, { '.env': 'REDIS_PREFIX="{a}#:" # ours\r\nPEER_PORT=81 # theirs\r\n' });
    const { env } = readEnvironment(path, {});
    assert.deepEqual([env.REDIS_PREFIX, env.PEER_PORT], ['{a}#:', '81']);
  });

  for (const [written, fault] of [
    ['REDIS_URL=redis://:p#planted@h', 'REDIS_URL holds a "#"'],
    ['REDIS_PREFIX="{p2p}"planted', 'REDIS_PREFIX goes on after its closing quote'],
    ['PEER_PORT=80\nPEER_PORT=81', 'PEER_PORT stands twice, with two values'],
    ['PAGE_TOKEN=#planted', 'PAGE_TOKEN holds a "#"'],
    ['A=1\nPEER_PORT: 81', 'PEER_PORT stands in a line that is not read'],
    ['A=1\nPEER_PORT 81', 'PEER_PORT stands in a line that is not read'],
    ['peer_port=81', 'PEER_PORT stands in a line that is not read'],
    ['PEER-PORT=81', 'PEER_PORT stands in a line that is not read'],
    ['set PEER_PORT=81', 'PEER_PORT stands in a line that is not read'],
    ['$env:PEER_PORT="81"', 'PEER_PORT stands in a line that is not read'],
    ['export\tPEER_PORT=81', 'PEER_PORT stands in a line that is not read'],
    ['\u00a0PEER_PORT=81', 'PEER_PORT stands in a line that is not read'],
    ['P\0E\0E\0R\0=\0', 'the file is not in UTF-8'],
    ['NODE_EXTRA_CA_CERTS=/planted.pem', 'NODE_EXTRA_CA_CERTS must name a file of certificates'],
  ] as const) {
    test(`refuses ${JSON.stringify(written)}: another value than stands there would be read`, (t) => {
      const { faults, message } = faultsOf(folder(t, { '.env': `${written}\n` }));
      assert.equal(faults.length, 1);
      assert.ok(faults[0]?.startsWith(fault), faults[0]);
      assert.match(message, /read from \S+\.env \(1 variable\) and the exported variables\.$/);
      assert.doesNotMatch(message, /planted/);
    });
  }
});

describe('the option --env-file', () => {
  test('names the file, in either form', () => {
    assert.deepEqual(fileOption([]), {});
    assert.deepEqual(fileOption(['--env-file', 'my file']), { LOCAL_ENV_FILE: 'my file' });
    assert.deepEqual(fileOption(['--env-file=other']), { LOCAL_ENV_FILE: 'other' });
  });

  for (const args of [
    ['--env-file'],
    ['--env-file='],
    ['--env-file', ''],
    ['--env-file', 'a', 'b'],
    ['--port', '1'],
    ['x'],
  ]) {
    test(`is not guessed from ${JSON.stringify(args)}`, () => {
      assert.throws(() => fileOption(args), /the only option is --env-file <file>/);
    });
  }
});
