import {
  ConfigError,
  EventError,
  IdentityError,
  RedisReplyError,
  RedisUnavailableError,
} from '../lib/errors.ts';
import { createScrub, describeError, type Scrub } from '../lib/log.ts';
import { clean, visible } from '../report/text/escape.ts';
import { parseArguments } from './arguments.ts';
import { refuseStrayOptions } from './command.ts';
import type { Context } from './context.ts';
import { InterruptedError, StageError, UsageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { findCommand, showCommandHelp, showHelp } from './help.ts';
import type { Terminal } from './terminal.ts';
import { wrap } from './text/line.ts';
import { createScreen } from './text/screen.ts';
import { version } from './version.ts';

/**
 * Runs one command line. Answers an exit code and never throws: what goes wrong is said on stderr, with `--json` on stdout
 * as well (`{"error": {"kind", "message"}}`).
 */
export async function runCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const secrets = new Set<string>();
  const scrub = createScrub(secrets);
  // A progress line may stand there.
  const begin = terminal.draws ? '\r\u001b[K' : '';
  const note = (text: string) => {
    for (const line of scrub(text).split('\n')) {
      const hanging = /^ +- /.exec(line)?.[0] ?? '';
      for (const row of wrap(clean(line), terminal.columns, ' '.repeat(hanging.length)))
        terminal.writeError(`${begin}${row}\n`);
    }
  };
  const screen = createScreen(terminal);
  let code: number;
  try {
    const args = parseArguments(argv);
    code = await dispatch({
      args,
      terminal,
      screen,
      note,
      scrub,
      hide: (found) => {
        for (const secret of found) secrets.add(secret);
      },
    });
  } catch (error) {
    const { exit, kind, message } = failureOf(error, argv, scrub);
    note(message);
    if (argv.includes('--json')) screen.json({ error: { kind, message } });
    code = exit;
  }
  await terminal.flush();
  return code;
}

async function dispatch(context: Context): Promise<number> {
  const { args, screen } = context;
  const [word, about] = args.words;
  if (word === undefined && args.flag('version')) return version(context);
  if (word === undefined && !args.flag('help')) {
    throw new UsageError('Which command? `help` lists them.');
  }
  if (word === undefined || (word === 'help' && about === undefined)) {
    showHelp(screen);
    return EXIT.ok;
  }
  const name = word === 'help' ? about : word;
  const command = findCommand(name);
  if (command === undefined)
    throw new UsageError(`There is no command "${visible(name ?? '')}". \`help\` lists them.`);
  if (word === 'help' || args.flag('help')) {
    showCommandHelp(screen, command);
    return EXIT.ok;
  }
  refuseStrayOptions(command, args.options);
  return command.run(context);
}

interface Failure {
  readonly exit: ExitCode;
  readonly kind: string;
  readonly message: string;
}

/** Errors whose message says all. */
const FAILURES = [
  [EventError, EXIT.usage, 'usage'],
  [ConfigError, EXIT.unavailable, 'configuration'],
  [IdentityError, EXIT.unavailable, 'redis-foreign'],
  [RedisUnavailableError, EXIT.unavailable, 'redis-unavailable'],
  [StageError, EXIT.unavailable, 'aws'],
  [InterruptedError, EXIT.interrupted, 'interrupted'],
] as const;

function failureOf(error: unknown, argv: readonly string[], scrub: Scrub): Failure {
  for (const [type, exit, kind] of FAILURES) {
    if (error instanceof type) return { exit, kind, message: scrub(error.message) };
  }
  if (error instanceof UsageError) {
    const about = error.command ?? findCommand(argv.find((word) => !word.startsWith('-')))?.name;
    const more = about === undefined ? '' : `\nSee: help ${about}`;
    return { exit: EXIT.usage, kind: 'usage', message: scrub(`${error.message}${more}`) };
  }
  if (error instanceof RedisReplyError) {
    const text = `Redis refused a command: ${error.message.replace(/\.$/, '')}. \`doctor\` says more.`;
    return { exit: EXIT.unavailable, kind: 'redis-unavailable', message: scrub(text) };
  }
  const { name, message, frames = [] } = describeError(error, scrub);
  const text = [`This is a mistake in the program: ${name}: ${message}`, ...frames].join('\n');
  return { exit: EXIT.broken, kind: 'broken', message: text };
}
