import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PLANTED, type PlantedName } from '../support/planted.ts';

/** What the command line asks for. */
export interface Options {
  readonly runs: number;
  readonly seed: number;
  readonly lanes: number;
  readonly plant: PlantedName | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

export const HELP = `npm run chaos -- [options]

  --runs N      how many runs (20)
  --seed S      the first run's seed, the next ones count up from it (random); --runs 1 --seed S has a run again
  --lanes N     how many go on side by side (one a core)
  --plant NAME  plants a mistake into a script, which has to be found: ${Object.keys(PLANTED).join(', ')}
  --json        the result as JSON on stdout
  --help        this text

Exit code 1 if a promise was broken, 2 if it could not be tried.`;

const MAX_SEED = 2 ** 31;

/** Reads the command line; answers what is wrong with it instead of guessing. */
export function readOptions(args: readonly string[]): Options | { fault: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        runs: { type: 'string', default: '20' },
        seed: { type: 'string', default: String(randomInt(MAX_SEED)) },
        lanes: { type: 'string', default: String(availableParallelism()) },
        plant: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { plant } = values;
    if (plant !== undefined && !isPlanted(plant)) {
      return { fault: `There is no mistake ${plant}. There are ${Object.keys(PLANTED).join(', ')}.` };
    }
    return {
      runs: whole('--runs', values.runs, { min: 1, max: 1_000_000 }),
      seed: whole('--seed', values.seed, { min: 0, max: MAX_SEED }),
      lanes: whole('--lanes', values.lanes, { min: 1, max: 64 }),
      plant,
      json: values.json,
      help: values.help,
    };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

function isPlanted(name: string): name is PlantedName {
  return Object.hasOwn(PLANTED, name);
}

function whole(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${name} must be a whole number from ${min} to ${max}.`);
}
