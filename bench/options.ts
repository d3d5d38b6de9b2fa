import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface Options {
  readonly json: boolean;
  readonly list: boolean;
  readonly all: boolean;
  readonly strict: boolean;
  readonly help: boolean;
  /** Names of rows; empty for all that are not long. */
  readonly only: readonly string[];
}

export const HELP = `npm run bench -- [options]

  --only NAME   only this row; may be given several times
  --all         the long rows too
  --list        what rows there are, with their targets
  --json        results as JSON on stdout
  --strict      exit code 1 if a target is missed or a row could not be measured
  --help        this text`;

/** Reads the command line; answers what is wrong with it instead of guessing. */
export function readOptions(args: readonly string[], names: readonly string[]): Options | { fault: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        only: { type: 'string', multiple: true, default: [] },
        all: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.filter((name) => !names.includes(name));
    if (unknown.length > 0) {
      return { fault: `There is no row ${unknown.join(', ')}. The rows are ${names.join(', ')}.` };
    }
    return values;
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
