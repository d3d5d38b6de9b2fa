import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface Options {
  readonly minutes: number;
  readonly seed: number;
  /** Names of faults; empty for all. */
  readonly only: readonly string[];
}

export const usage = (
  names: readonly string[],
) => `Usage: npm run soak -- [--minutes N] [--seed S] [--only NAME]…
The host process through faults in random order, for N minutes (5) after the seed S (1). NAME is one of
${names.join(', ')}.
Exit code 1 if the host did not recover by itself, grew or wrote too much; 2 for a wrong argument.`;

/** Reads the command line; undefined if it asks for something that there is not. */
export function readOptions(args: readonly string[], names: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string', default: '5' },
        seed: { type: 'string', default: '1' },
        only: { type: 'string', multiple: true, default: [] },
      },
    });
    const minutes = Number(values.minutes);
    const known = values.only.every((name) => names.includes(name));
    if (!(minutes > 0 && minutes <= 10_000) || !/^\d{1,9}$/.test(values.seed) || !known) return undefined;
    return { minutes, seed: Number(values.seed), only: values.only };
  } catch {
    return undefined;
  }
}
