import type { Context } from '../context.ts';
import { StageError } from '../errors.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Told } from './summaries.ts';

/** Shows a summary as text or as it is, and answers the command's exit code. */
export function report(
  { args, screen }: Context,
  summary: unknown,
  told: Told | undefined,
  { interrupted = false }: { interrupted?: boolean } = {},
): ExitCode {
  if (args.flag('json')) screen.json(summary);
  if (told === undefined) {
    throw new StageError(
      'The function answered something that is no summary: is it another version? --json shows it.',
    );
  }
  if (!args.flag('json')) told.show(screen);
  return interrupted ? EXIT.interrupted : told.exit;
}
