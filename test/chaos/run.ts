/** `npm run chaos`: see docs/RELIABILITY.md, or `--help`. */
import { runChaos } from './chaos.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { formatFailure, formatReport } from './table.ts';

/** Timelines are long; the first ones say what there is to say. */
const SHOWN_FAILURES = 3;

const options = readOptions(process.argv.slice(2));
if ('fault' in options) {
  process.stderr.write(`${options.fault}\n\n${HELP}\n`);
  process.exitCode = 2;
} else if (options.help) {
  process.stdout.write(`${HELP}\n`);
} else {
  process.exitCode = await main(options).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 2;
  });
}

async function main({ json, ...chosen }: Options): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

  let shown = 0;
  let done = 0;
  const report = await runChaos({
    ...chosen,
    signal: stop.signal,
    onRun(run) {
      done += 1;
      if (run.failed && ++shown <= SHOWN_FAILURES) process.stderr.write(`${formatFailure(run)}\n`);
      if (done % 50 === 0) process.stderr.write(`${done} of ${chosen.runs} runs\n`);
    },
  });
  const failed = report.failures.length > 0;
  const stopped = stop.signal.aborted && done < chosen.runs;
  if (json) {
    const result = {
      at: new Date().toISOString(),
      seed: chosen.seed,
      tookMs: Math.round(report.tookMs),
      ...report.tally,
      failedSeeds: report.failures.map(({ seed }) => seed),
    };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } else {
    process.stdout.write(`${formatReport(report, chosen.seed)}\n`);
  }
  if (stopped) process.stderr.write(`Stopped after ${done} of ${chosen.runs} runs.\n`);
  return failed ? 1 : stopped ? 130 : 0;
}
