import {
  ConfigError,
  EventError,
  IdentityError,
  RedisReplyError,
  RedisUnavailableError,
} from '../lib/errors.ts';
import { createScrub, describeError } from '../lib/log.ts';
import { clean, visible } from '../report/text/escape.ts';
import { parseArguments } from './arguments.ts';
import { refuseStrayOptions } from './command.ts';
import type { Context } from './context.ts';
import { InterruptedError, StageError, UsageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { findCommand, showCommandHelp, showHelp } from './help.ts';
import type { Terminal } from './terminal.ts';
import { createScreen } from './text/screen.ts';
import { wrap } from './text/wrap.ts';
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
    const { exit, kind, message } = failureOf(error, argv);
    note(message(scrub));
    if (argv.includes('--json')) screen.json({ error: { kind, message: message(scrub) } });
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
  message(scrub: (text: string) => string): string;
}

function failureOf(error: unknown, argv: readonly string[]): Failure {
  const say = (exit: ExitCode, kind: string, text: string): Failure => ({
    exit,
    kind,
    message: (scrub) => scrub(text),
  });
  if (error instanceof UsageError) {
    const about = error.command ?? findCommand(argv.find((word) => !word.startsWith('-')))?.name;
    const more = about === undefined ? '' : `\nSee: help ${about}`;
    return say(EXIT.usage, 'usage', `${error.message}${more}`);
  }
  if (error instanceof EventError) return say(EXIT.usage, 'usage', error.message);
  if (error instanceof ConfigError) return say(EXIT.unavailable, 'configuration', error.message);
  if (error instanceof IdentityError) return say(EXIT.unavailable, 'redis-foreign', error.message);
  if (error instanceof RedisUnavailableError)
    return say(EXIT.unavailable, 'redis-unavailable', error.message);
  if (error instanceof RedisReplyError) {
    return say(
      EXIT.unavailable,
      'redis-unavailable',
      `Redis refused a command: ${error.message.replace(/\.$/, '')}. \`doctor\` says more.`,
    );
  }
  if (error instanceof StageError) return say(EXIT.unavailable, 'aws', error.message);
  if (error instanceof InterruptedError) return say(EXIT.interrupted, 'interrupted', error.message);
  return {
    exit: EXIT.broken,
    kind: 'broken',
    message(scrub) {
      const { name, message, frames = [] } = describeError(error, scrub);
      return [`This is a mistake in the program: ${name}: ${message}`, ...frames].join('\n');
    },
  };
}
