/** `npm run bench`: measures the rows and prints them. See docs/BENCHMARKS.md, or `--help`. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { createLab, type Lab } from './lab.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { isMet, isShown, type Row, type RowOutcome } from './row.ts';
import { ROWS } from './rows/index.ts';
import { formatList, formatRow, formatVerdict } from './table.ts';

const options = readOptions(
  process.argv.slice(2),
  ROWS.map(({ name }) => name),
);
if ('fault' in options) {
  process.stderr.write(`${options.fault}\n\n${HELP}\n`);
  process.exitCode = 2;
} else {
  // A stack would say where the benchmark is, not what is wrong.
  process.exitCode = await main(options).catch((error: unknown) => {
    process.stderr.write(`BROKEN: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  });
}

async function main(chosen: Options): Promise<number> {
  if (chosen.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (chosen.list) {
    process.stdout.write(`${formatList(ROWS)}\n`);
    return 0;
  }
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const results: { row: Row; outcome: RowOutcome }[] = [];
  let lab: Lab | undefined;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, async () => {
      await lab?.end();
      process.exit(code);
    });
  }
  for (const row of ROWS.filter(({ name, long }) =>
    chosen.only.length > 0 ? chosen.only.includes(name) : !long || chosen.all,
  )) {
    say(`${row.name} …`);
    lab = createLab((text) => say(`  ${text}`));
    const outcome = await measure(row, lab);
    results.push({ row, outcome });
    if (!chosen.json) process.stdout.write(`${formatRow(row, outcome)}\n\n`);
  }
  if (chosen.json) process.stdout.write(`${JSON.stringify(asJson(results), null, 2)}\n`);
  else
    process.stdout.write(
      `${formatVerdict(results.map(({ row, outcome }) => ({ name: row.name, outcome })))}\n`,
    );
  return chosen.strict && !results.every(({ outcome }) => isShown(outcome)) ? 1 : 0;
}

/** Runs one row within its time and ends all that it started. Rejects if the row itself is broken. */
async function measure(row: Row, lab: Lab): Promise<RowOutcome> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${row.name} took over ${row.limitMs / 1_000} s`)),
      row.limitMs,
    );
  });
  const running = row.run(lab);
  try {
    return await Promise.race([running, limit]);
  } finally {
    clearTimeout(timer);
    await lab.end();
    await running.catch(() => {});
  }
}

function asJson(results: readonly { row: Row; outcome: RowOutcome }[]) {
  return {
    at: new Date().toISOString(),
    machine: {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryMb: Math.round(totalmem() / 2 ** 20),
    },
    rows: results.map(({ row, outcome }) => ({
      name: row.name,
      title: row.title,
      targets: row.targets,
      shown: isShown(outcome),
      ...(outcome.kind === 'skipped'
        ? outcome
        : { ...outcome, figures: outcome.figures.map((figure) => ({ ...figure, met: isMet(figure) })) }),
    })),
  };
}
