import { OPTIONS, type OptionName, optionText } from './arguments.ts';
import { COMMON_OPTIONS, type Command, HELP_NOTE, optionsOf } from './command.ts';
import { COMMANDS } from './commands.ts';
import type { Screen } from './text/screen.ts';

const NAME_WIDTH = 12;

/** What `p2p help` prints. */
export function showHelp(screen: Screen): void {
  screen.line(['p2p <command>', 'strong'], ' - see and steer the scheduler of a consumer');
  screen.line();
  for (const { name, summary } of COMMANDS) screen.line(`  ${name.padEnd(NAME_WIDTH)}${summary}`);
  screen.line(`  ${'help'.padEnd(NAME_WIDTH)}explain a command: help <command>`);
  screen.line();
  for (const option of COMMON_OPTIONS) showOption(screen, option);
  screen.line();
  screen.text(HELP_NOTE);
}

/** What `p2p help <command>` prints. */
export function showCommandHelp(screen: Screen, command: Command): void {
  const { name, usage, summary, details } = command;
  screen.line([`p2p ${name}`, 'strong'], ` - ${summary}`);
  screen.line();
  for (const line of usage) screen.line(`  p2p ${name}${line === '' ? '' : ` ${line}`}`);
  screen.line();
  for (const text of details) {
    screen.text(text);
    screen.line();
  }
  for (const option of optionsOf(command)) showOption(screen, option);
}

function showOption(screen: Screen, name: OptionName): void {
  screen.line(`  ${optionText(name).padEnd(22)}${OPTIONS[name].help}`);
}

export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}
