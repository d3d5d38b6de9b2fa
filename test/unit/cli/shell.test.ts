import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { OPTIONS } from '../../../cli/arguments.ts';
import { COMMANDS } from '../../../cli/commands.ts';
import { bashCompletion, zshCompletion } from '../../../cli/completion.ts';
import { manPage } from '../../../cli/man.ts';
import { needsTool } from '../../support/needs-tool.ts';
import { temporaryFolder } from '../../support/owner.ts';

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

/**
 * What becomes of each line when Tab is pressed at its end, in an interactive zsh with a terminal. The completion is installed
 * as its help says, or sourced.
 */
function zshCompleted(t: TestContext, how: 'installed' | 'sourced', ...lines: readonly string[]): string[] {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, '_p2p'), zshCompletion(COMMANDS));
  const setUp = [
    `PROMPT= RPROMPT= HISTFILE= ${how === 'installed' ? 'fpath=($PWD $fpath)' : ''}`,
    'autoload -Uz compinit; compinit -u -D',
    how === 'sourced' ? 'source ./_p2p' : '',
    // The pieces of the marks stand apart here: a terminal repeats what is typed.
    'tell() { zle -I; print -r -- "@""@$BUFFER@""@"; BUFFER= }; zle -N tell; bindkey "^T" tell',
    'print -r -- "@""@ready@""@"',
  ];
  const driver = `zmodload zsh/zpty && zpty shell zsh -f -i || exit
zpty -w shell ${quoted(setUp.filter((line) => line !== '').join('; '))}
zpty -r shell answer '*@@ready@@*'
for line; do
  zpty -w -n shell "$line"$'\\t\\x14'
  zpty -r shell answer '*@@*@@*'
  answer=\${answer%@@*}
  print -r -- "\${answer##*@@}"
done`;
  const { status, stdout, stderr } = spawnSync('zsh', ['-f', '-c', driver, 'zsh', ...lines], {
    cwd: folder,
    env: { PATH: process.env.PATH, TERM: 'dumb', LC_ALL: 'C' },
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

describe('completion', () => {
  test('offers commands, and of a command its words and options', needsTool('bash'), () => {
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
  });

  test('completes in a real zsh what bash completes', needsTool('zsh'), (t) => {
    const typed: Readonly<Record<string, string>> = {
      'p2p st': 'p2p status ',
      'p2p --ver': 'p2p --version ',
      'p2p consumers a': 'p2p consumers add ',
      'p2p consumers list --st': 'p2p consumers list --state ',
      'p2p status --w': 'p2p status --watch ',
      'p2p help hist': 'p2p help history ',
      'p2p verify consumer --all': 'p2p verify consumer --allow ',
      'p2p status --env-file ./_p': 'p2p status --env-file ./_p2p ',
      'p2p no-command ': 'p2p no-command ',
    };
    assert.deepEqual(zshCompleted(t, 'installed', ...Object.keys(typed)), Object.values(typed));
    assert.deepEqual(zshCompleted(t, 'sourced', 'p2p st', 'p2p sync --st'), [
      'p2p status ',
      'p2p sync --stage ',
    ]);
  });

  test('completes each option of each command in zsh', needsTool('zsh'), (t) => {
    const lines = COMMANDS.flatMap(({ name, options }) => options.map((option) => `p2p ${name} --${option}`));
    assert.deepEqual(
      zshCompleted(t, 'installed', ...lines),
      lines.map((line) => `${line} `),
    );
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
