import { VERSION } from '../lib/version.ts';
import { OPTIONS, type OptionName, optionText } from './arguments.ts';
import { COMMON_OPTIONS, type Command, HELP_NOTE } from './command.ts';
import type { Context } from './context.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** `p2p man`: prints the manual page, made of what the help is made of. */
export async function man({ terminal }: Context, commands: readonly Command[]): Promise<ExitCode> {
  terminal.write(manPage(commands));
  return EXIT.ok;
}

/** The manual page in roff (man(7)). Pure. */
export function manPage(commands: readonly Command[]): string {
  return [
    `.TH P2P 1 "" "p2p-consumer-scheduler ${VERSION}" "User Commands"`,
    '.SH NAME',
    'p2p \\- see and steer the scheduler of a consumer in a P2P storage network',
    '.SH SYNOPSIS',
    '.B p2p',
    '.I command',
    '[options]',
    '.SH DESCRIPTION',
    roff(HELP_NOTE),
    '.SH COMMANDS',
    ...commands.flatMap(commandPart),
    '.SH OPTIONS OF ALL COMMANDS',
    ...COMMON_OPTIONS.flatMap(optionPart),
    '.SH EXIT STATUS',
    ...EXITS.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, roff(meaning)]),
    '.SH FILES',
    ...FILES.flatMap(([file, meaning]) => ['.TP', `.I ${roff(file)}`, roff(meaning)]),
    '',
  ].join('\n');
}

const EXITS = [
  [EXIT.ok, 'Done, or all is well.'],
  [EXIT.attention, 'Something needs attention, is unknown, or was not done.'],
  [EXIT.usage, 'The command line is not usable.'],
  [EXIT.unavailable, 'Redis, AWS or the configuration is not usable.'],
  [EXIT.broken, 'A mistake in the program.'],
  [EXIT.interrupted, 'Interrupted by Ctrl-C or SIGTERM.'],
] as const;

const FILES = [
  ['.env', 'Variables under the exported ones, read in the current folder.'],
  ['.local-stack.env', 'What a running "npm start" leaves, so that commands find it.'],
  ['/etc/p2p-scheduler.env', 'The settings of the host that is installed on this machine.'],
] as const;

function commandPart({ name, usage, summary, details, options }: Command): string[] {
  return [
    `.SS p2p ${name}`,
    roff(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}`),
    ...usage.flatMap((line) => ['.PP', `.B p2p ${name}`, roff(line)]),
    ...details.flatMap((text) => ['.PP', roff(text)]),
    ...options.flatMap(optionPart),
  ];
}

function optionPart(name: OptionName): string[] {
  return ['.TP', `.B ${roff(optionText(name))}`, roff(OPTIONS[name].help)];
}

/** Text in which nothing is a request or an escape of roff. */
function roff(text: string): string {
  const escaped = text.replace(/\\/g, '\\e').replace(/-/g, '\\-');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
