/** `npm run simulate`: many schedulers in one simulated network, see `--help`. */
import { HELP, type Options, readOptions } from './options.ts';
import { simulate } from './simulate.ts';
import { formatReport } from './table.ts';

const PROGRESS_EVERY_MS = 5_000;

const options = readOptions(process.argv.slice(2));
if ('fault' in options) {
  process.stderr.write(`${options.fault}\n\n${HELP}\n`);
  process.exitCode = 2;
} else if (options.help) {
  process.stdout.write(`${HELP}\n`);
} else {
  await main(options);
}

async function main({ scenario, json }: Options): Promise<void> {
  const began = performance.now();
  let told = began;
  const report = await simulate(scenario, ({ simulatedMs, probes, knownShare }) => {
    if (performance.now() - told < PROGRESS_EVERY_MS) return;
    told = performance.now();
    const minutes = `${simulatedMs / 60_000} of ${scenario.hours * 60} simulated minutes`;
    const known = `${(100 * knownShare).toFixed(1)} % of the founders' pairs known`;
    process.stderr.write(`${minutes}, ${probes.toLocaleString('en-US')} calls, ${known}\n`);
  });
  const tookMs = performance.now() - began;
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...report, tookMs: Math.round(tookMs) }, null, 2)}\n`);
  } else {
    process.stdout.write(`${formatReport(report, { tookMs })}\n`);
  }
}
