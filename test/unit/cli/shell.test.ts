import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { OPTIONS } from '../../../cli/arguments.ts';
import { COMMANDS } from '../../../cli/commands.ts';
import { bashCompletion, zshCompletion } from '../../../cli/completion.ts';
import { manPage } from '../../../cli/man.ts';

/** What bash offers for the words that were typed; the last of them is not finished. */
function offered(...words: readonly string[]): string[] {
  const script = `${bashCompletion(COMMANDS)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _p2p; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return stdout.split('\n').filter((word) => word !== '');
}

const hasBash = spawnSync('bash', ['--version'], { stdio: 'ignore' }).status === 0;

describe('completion', () => {
  test('offers commands, and of a command its words and options', { skip: !hasBash && 'NEEDS bash' }, () => {
    assert.deepEqual(offered('p2p', 'st'), ['status']);
    assert.deepEqual(offered('p2p', 'consumers', 'a'), ['add']);
    assert.deepEqual(offered('p2p', 'status', '--w'), ['--watch']);
    assert.deepEqual(offered('p2p', 'help', 'hist'), ['history']);
    assert.deepEqual(offered('p2p', 'no-command', ''), []);
  });

  test('knows every command and option, for zsh too', () => {
    const zsh = zshCompletion(COMMANDS);
    for (const { name, options } of COMMANDS) {
      assert.ok(zsh.includes(`'${name}:`), name);
      for (const option of options) assert.ok(zsh.includes(`'--${option}[`), option);
    }
    const hasZsh = spawnSync('zsh', ['--version'], { stdio: 'ignore' }).status === 0;
    if (hasZsh) assert.equal(spawnSync('zsh', ['-n'], { input: zsh }).status, 0);
  });
});

describe('the manual page', () => {
  test('says what the help says of each command and option', () => {
    const page = manPage(COMMANDS).replaceAll('\\-', '-').replaceAll('\\e', '\\');
    for (const { name, details, options } of COMMANDS) {
      assert.ok(page.includes(`.SS p2p ${name}\n`), name);
      for (const text of details) assert.ok(page.includes(text), text);
      for (const option of options) assert.ok(page.includes(OPTIONS[option].help), option);
    }
  });

  test('begins no line with a request that is none', () => {
    const requests = manPage(COMMANDS).matchAll(/^\.(\w*)/gm);
    for (const [, request] of requests)
      assert.ok(['TH', 'SH', 'SS', 'PP', 'TP', 'B', 'I'].includes(request ?? ''), request);
  });
});
