import type { Figure, Target } from './measure.ts';
import { isMet, isShown, type Row, type RowOutcome } from './row.ts';

/** The widest line that `formatRow` and `formatList` write. */
export const WIDTH = 96;

const NAME_WIDTH = 44;
const VALUE_WIDTH = 8;
const UNIT_WIDTH = 2;
const SPREAD_WIDTH = 17;

/** A row's outcome as lines for a terminal: the claim, one line a figure, the notes. */
export function formatRow(row: Pick<Row, 'name' | 'title'>, outcome: RowOutcome): string {
  const heading = wrap(`${row.name}: ${row.title}`, '', '  ');
  if (outcome.kind === 'skipped')
    return [...heading, ...wrap(`SKIPPED: ${outcome.why}`, '  ', '    ')].join('\n');
  return [
    ...heading,
    ...outcome.figures.map(formatFigure),
    ...outcome.notes.flatMap((note) => wrap(note, '  - ', '    ')),
  ].join('\n');
}

/** The last line: how many rows showed what they promise, and which did not. */
export function formatVerdict(outcomes: readonly { name: string; outcome: RowOutcome }[]): string {
  const missed = outcomes.filter(({ outcome }) => outcome.kind === 'measured' && !isShown(outcome));
  const skipped = outcomes.filter(({ outcome }) => outcome.kind === 'skipped');
  const named = (label: string, rows: readonly { name: string }[]) =>
    rows.length === 0 ? '' : `; ${label}: ${rows.map(({ name }) => name).join(', ')}`;
  const shown = outcomes.length - missed.length - skipped.length;
  return wrap(
    `${shown} of ${outcomes.length} rows met their targets${named('missed', missed)}${named('skipped', skipped)}`,
    '',
    '  ',
  ).join('\n');
}

/** What `--list` prints. */
export function formatList(rows: readonly Pick<Row, 'name' | 'title' | 'targets' | 'long'>[]): string {
  return rows
    .flatMap(({ name, title, targets, long }) => [
      ...wrap(`${name}${long ? ' (long)' : ''}: ${title}`, '', '  '),
      ...wrap(`target: ${targets}`, '  ', '    '),
    ])
    .join('\n');
}

function formatFigure(figure: Figure): string {
  const [low, high] = figure.spread ?? [0, 0];
  return [
    ' ',
    figure.name.padEnd(NAME_WIDTH),
    round(figure.value).padStart(VALUE_WIDTH),
    figure.unit.padEnd(UNIT_WIDTH),
    (low === high ? '' : `(${round(low)}-${round(high)})`).padEnd(SPREAD_WIDTH),
    figure.target === undefined ? '' : `${inSigns(figure.target)} ${isMet(figure) ? 'met' : 'MISSED'}`,
  ]
    .join(' ')
    .trimEnd();
}

function inSigns(target: Target): string {
  return 'atLeast' in target ? `>= ${round(target.atLeast)}` : `<= ${round(target.atMost)}`;
}

/** Three significant digits; whole numbers from 100 on, with separators. */
function round(value: number): string {
  const digits = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return digits.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

function wrap(text: string, first: string, rest: string): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
