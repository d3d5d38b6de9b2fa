import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { TARGETS } from './targets/index.ts';

/**
 * `npm run fuzz -- [--runs N] [--seed S] [--only NAME]…`: N random inputs for each reader of foreign bytes. Ends with 0, with
 * 1 for an input that a reader does not bear (it is printed, made as small as possible), or with 2 for a wrong argument.
 */
const USAGE = `Usage: npm run fuzz -- [--runs N] [--seed S] [--only NAME]…
NAME is one of ${TARGETS.map(({ name }) => name).join(', ')}.`;

interface Options {
  readonly runs: number;
  readonly seed: number;
  readonly only: readonly string[];
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        runs: { type: 'string', default: '100000' },
        seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
        only: { type: 'string', multiple: true, default: [] },
      },
    });
    const { runs, seed, only } = values;
    const known = only.every((wanted) => TARGETS.some(({ name }) => name === wanted));
    if (!/^[1-9]\d{0,9}$/.test(runs) || !/^-?\d{1,10}$/.test(seed) || !known) return undefined;
    return { runs: Number(runs), seed: Number(seed), only };
  } catch {
    return undefined;
  }
}

async function fuzz({ runs, seed, only }: Options): Promise<number> {
  console.log(`seed ${seed}`);
  let broken = 0;
  for (const { name, property, seen } of TARGETS) {
    if (only.length > 0 && !only.includes(name)) continue;
    const startedMs = performance.now();
    const details = await fc.check(property, { numRuns: runs, seed });
    const seconds = (performance.now() - startedMs) / 1_000;
    const rate = Math.round(details.numRuns / seconds);
    const taken = ((100 * seen.taken) / seen.inputs).toFixed(1);
    console.log(
      `${name.padEnd(12)} ${details.numRuns} runs in ${seconds.toFixed(1)} s, ${rate} a second, ${taken} % taken${details.failed ? ', FAILED' : ''}`,
    );
    if (!details.failed) continue;
    broken += 1;
    console.log(fc.defaultReportMessage(details));
  }
  return broken;
}

const options = readOptions(process.argv.slice(2));
if (options === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  process.exitCode = (await fuzz(options)) > 0 ? 1 : 0;
}
