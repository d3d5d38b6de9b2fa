import type { Log, LogFields } from '../../lib/host.ts';
import { createLog } from '../../lib/log.ts';
import type { Arguments } from '../arguments.ts';

/** Longer fields say nothing that a person reads on a terminal. */
const MOST_CHARACTERS = 600;

/** What a job logs, by `note`: warnings and errors, everything with `--verbose`. */
export function createJobLog({
  args,
  note,
  scrub,
}: {
  readonly args: Arguments;
  note(text: string): void;
  scrub(text: string): string;
}): Log {
  const verbose = args.flag('verbose');
  const say = (level: string) => (message: string, fields: LogFields) => {
    // The command shows a job's summary itself.
    const told = !verbose && 'outcome' in fields;
    const shown = told ? [] : Object.entries(fields).filter(([, value]) => value !== undefined);
    const data = shown.length === 0 ? '' : ` ${JSON.stringify(Object.fromEntries(shown.map(withoutFrames)))}`;
    note(`${level}: ${message}${data.slice(0, MOST_CHARACTERS)}`);
  };
  const silent = () => undefined;
  return createLog(
    {
      debug: verbose ? say('debug') : silent,
      info: verbose ? say('info') : silent,
      warn: say('warning'),
      error: say('error'),
    },
    scrub,
  );
}

/** Of an error an operator needs its name and message. */
function withoutFrames([name, value]: [string, unknown]): [string, unknown] {
  if (typeof value !== 'object' || value === null || !('frames' in value)) return [name, value];
  const { frames: _, cause: __, ...rest } = { cause: undefined, ...value };
  return [name, rest];
}
