import { plural } from '../../report/text/count.ts';
import { clean } from '../../report/text/escape.ts';
import type { Screen } from '../text/screen.ts';
import type { Tone } from '../text/span.ts';
import { wrap } from '../text/wrap.ts';
import type { Finding, Level } from './finding.ts';

const TONES: Readonly<Record<Level, Tone>> = { ok: 'good', warning: 'warning', failure: 'bad' };
const LEVEL_WIDTH = 9;
const ABOUT_WIDTH = 11;
const ARROW = '-> ';

/** The verdict, then a line for each finding, and under it what to do. */
export function showFindings(screen: Screen, findings: readonly Finding[]): void {
  screen.line(...verdict(findings));
  screen.line();
  const indent = LEVEL_WIDTH + ABOUT_WIDTH;
  const width = Math.max(20, screen.columns - indent);
  for (const { level, about, says, todo } of findings) {
    for (const [i, row] of wrap(clean(says), width).entries()) {
      if (i > 0) screen.line(' '.repeat(indent), row);
      else screen.line([level.padEnd(LEVEL_WIDTH), TONES[level]], [about.padEnd(ABOUT_WIDTH), 'dim'], row);
    }
    if (todo === undefined) continue;
    for (const [i, row] of wrap(clean(todo), width - ARROW.length).entries()) {
      screen.line(' '.repeat(indent), i === 0 ? ARROW : ' '.repeat(ARROW.length), row);
    }
  }
}

function verdict(findings: readonly Finding[]): ([string, Tone] | string)[] {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const [failures, warnings] = [count('failure'), count('warning')];
  if (failures > 0) {
    const more = warnings > 0 ? `, ${plural(warnings, 'warning')}` : '';
    return [
      ['FAILURE'.padEnd(LEVEL_WIDTH), 'bad'],
      [`${plural(failures, 'failure')}${more}`, 'strong'],
    ];
  }
  if (warnings > 0)
    return [
      ['WARNING'.padEnd(LEVEL_WIDTH), 'warning'],
      [plural(warnings, 'warning'), 'strong'],
    ];
  return [
    ['OK'.padEnd(LEVEL_WIDTH), 'good'],
    [`all ${findings.length} checks are ok`, 'strong'],
  ];
}
