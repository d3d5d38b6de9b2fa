import type { ChaosReport } from './chaos.ts';
import type { Run } from './course.ts';
import { totalOf } from './tally.ts';
import type { Findings } from './verdict.ts';

const NAME_WIDTH = 66;

/** What each finding is called, in the order in which they are shown. */
const FINDINGS: readonly (readonly [keyof Findings, string])[] = [
  ['lost', 'lost: never got the last change'],
  ['outOfOrder', 'out of order: an older address after a newer one'],
  ['wrong', 'wrong at the end: left with another address'],
  ['uncalledFor', 'called without a delivery, or on a quiet check'],
  ['foreign', 'requests that are none of ours (/sync, another body or address)'],
  ['brokenState', 'a lease outside deliveries:due, an epoch that did not grow'],
  ['brokenRuns', 'handlers that failed while nothing was wrong'],
  ['unhealed', 'runs that did not come to rest'],
];

/** The report as a table for a terminal. */
export function formatReport({ tally, tookMs }: ChaosReport, seed: number): string {
  const sorted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
  return [
    row('runs', tally.runs),
    row('  of these with requests that take effect up to a minute late', tally.lateRuns),
    row('invocations of the handlers', tally.invocations),
    row('changes committed', tally.changes),
    row('handlers killed (SIGKILL)', totalOf(tally.kills)),
    ...sorted(tally.kills).map(([stage, times]) => row(`  in a ${stage}`, times)),
    row('other faults', totalOf(tally.faults)),
    ...sorted(tally.faults).map(([kind, times]) => row(`  ${kind}`, times)),
    row('requests to producers', tally.calls),
    row('deliveries: an address took effect', tally.deliveries),
    row('  duplicates: of an epoch that the producer had before', tally.duplicates),
    row('  late ones after a newer address, put right by a re-send', tally.overtaken),
    row('producers judged at the end', tally.judged),
    '',
    ...FINDINGS.map(([name, text]) => `${row(text, tally.findings[name])}   must be 0`),
    '',
    `seed ${seed}, ${(tookMs / 1_000).toFixed(1)} s, ${(tookMs / 1_000 / Math.max(1, tally.runs)).toFixed(2)} s a run`,
  ].join('\n');
}

/** A run that failed: what happened in it, and how to have it again. */
export function formatFailure({ seed, tally, timeline }: Run): string {
  const found = FINDINGS.filter(([name]) => tally.findings[name] > 0).map(
    ([name, text]) => `${tally.findings[name]} x ${text}`,
  );
  return [
    `FAILED with seed ${seed}: ${found.join('; ')}`,
    ...timeline.map(
      ({ atMs, realMs, text }) =>
        `  ${(atMs / 1_000).toFixed(3).padStart(11)} s  (real ${(realMs / 1_000).toFixed(3)})  ${text}`,
    ),
    `Again, as far as timing allows: npm run chaos -- --runs 1 --seed ${seed}`,
  ].join('\n');
}

function row(name: string, value: number): string {
  return `${name.padEnd(NAME_WIDTH)}${value.toLocaleString('en-US').padStart(10)}`;
}
