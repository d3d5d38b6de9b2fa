import { OPTIONS, type OptionName } from './arguments.ts';
import { type Command, optionsOf } from './command.ts';
import type { Context } from './context.ts';
import { UsageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** Words that follow a command and are no option. */
const ACTIONS: Readonly<Record<string, readonly string[]>> = {
  consumers: ['list', 'add', 'remove'],
  producers: ['list', 'add', 'remove'],
  verify: ['consumer', 'producer'],
  completion: ['bash', 'zsh'],
};

/** `p2p completion bash` and `p2p completion zsh`: prints what the shell is to read. */
export async function completion(
  { args, terminal }: Context,
  commands: readonly Command[],
): Promise<ExitCode> {
  const [, shell, extra] = args.words;
  if (extra !== undefined || (shell !== 'bash' && shell !== 'zsh')) {
    throw new UsageError('completion takes the shell: bash or zsh.', 'completion');
  }
  terminal.write(shell === 'bash' ? bashCompletion(commands) : zshCompletion(commands));
  return EXIT.ok;
}

function wordsOf(command: Command): string[] {
  return [...(ACTIONS[command.name] ?? []), ...optionsOf(command).map((option) => `--${option}`)];
}

/** For bash, under the name `p2p`. Pure. */
export function bashCompletion(commands: readonly Command[]): string {
  const cases = commands.map((command) => `    ${command.name}) words="${wordsOf(command).join(' ')}" ;;`);
  return `# bash completion of p2p: source it, or put it into /etc/bash_completion.d/p2p
_p2p() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" words
  if [ "$COMP_CWORD" -le 1 ]; then
    words="${[...commands.map(({ name }) => name), 'help', '--version'].join(' ')}"
  elif [ "$command" = help ]; then
    words="${commands.map(({ name }) => name).join(' ')}"
  else
    case "$command" in
${cases.map((line) => `  ${line}`).join('\n')}
      *) words="" ;;
    esac
  fi
  if [ "\${COMP_WORDS[COMP_CWORD - 1]}" = --env-file ]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _p2p p2p
`;
}

/** For zsh, under the name `p2p`. Pure. */
export function zshCompletion(commands: readonly Command[]): string {
  const quoted = (text: string) => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, '\\$&');
  const described = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  const optionOf = (name: OptionName) => {
    const rule = OPTIONS[name];
    const value = 'value' in rule ? `:${quoted(rule.value)}:${name === 'env-file' ? '_files' : ''}` : '';
    return `'--${name}[${quoted(rule.help)}]${value}'`;
  };
  const cases = commands.map((command) => {
    const { name } = command;
    const actions = ACTIONS[name];
    const words = actions === undefined ? '' : ` '1:action:(${actions.join(' ')})'`;
    return `    ${name}) _arguments${words} ${optionsOf(command).map(optionOf).join(' ')} ;;`;
  });
  return `#compdef p2p
# zsh completion of p2p: put it as _p2p into a folder of $fpath
_p2p() {
  local -a commands
  commands=(
${described.join('\n')}
    'help:explain a command'
  )
  if (( CURRENT == 2 )); then
    commands+=('--version:print versions')
    _describe 'command' commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
    help) _describe 'command' commands ;;
  esac
}
if [ "$funcstack[1]" = "_p2p" ]; then _p2p "$@"; else compdef _p2p p2p; fi
`;
}
