import { plural } from '../../report/text/count.ts';
import type { Tone } from '../text/line.ts';
import type { Screen } from '../text/screen.ts';
import type { Finding, Level } from './finding.ts';

const TONES: Readonly<Record<Level, Tone>> = { ok: 'good', warning: 'warning', failure: 'bad' };
const LEVEL_WIDTH = 9;
const ABOUT_WIDTH = 11;

/** What all findings come to: the level of the worst. */
export interface Summary {
  readonly verdict: Level;
  readonly failures: number;
  readonly warnings: number;
}

export function summaryOf(findings: readonly Finding[]): Summary {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const [failures, warnings] = [count('failure'), count('warning')];
  return { verdict: failures > 0 ? 'failure' : warnings > 0 ? 'warning' : 'ok', failures, warnings };
}

/** The verdict, then a line for each finding, and under it what to do. */
export function showFindings(screen: Screen, findings: readonly Finding[]): void {
  const { verdict, failures, warnings } = summaryOf(findings);
  const bad = [
    ...(failures > 0 ? [plural(failures, 'failure')] : []),
    ...(warnings > 0 ? [plural(warnings, 'warning')] : []),
  ];
  screen.line(
    [verdict.toUpperCase().padEnd(LEVEL_WIDTH), TONES[verdict]],
    [bad.join(', ') || `all ${findings.length} checks are ok`, 'strong'],
  );
  screen.line();
  for (const { level, about, says, todo } of findings) {
    screen.beside(
      [
        [level.padEnd(LEVEL_WIDTH), TONES[level]],
        [about.padEnd(ABOUT_WIDTH), 'dim'],
      ],
      says,
    );
    if (todo !== undefined) screen.beside([`${' '.repeat(LEVEL_WIDTH + ABOUT_WIDTH)}-> `], todo);
  }
}
