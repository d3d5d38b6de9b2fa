import { type Span, textOf } from './line.ts';

export interface Column {
  readonly title: string;
  /** Gives way, down to `least` columns, where the table is too wide. */
  readonly least?: number;
}

const GAP = 2;

/** The rows under their titles, columns aligned, no row wider than `width`. What has to give way loses its middle. */
export function tableRows(
  columns: readonly Column[],
  rows: readonly (readonly Span[])[],
  width: number,
): Span[][] {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => textOf(row[i] ?? '').length)),
  );
  let excess = widths.reduce((sum, each) => sum + each + GAP, -GAP) - width;
  for (const [i, { title, least }] of columns.entries()) {
    if (least === undefined || excess <= 0) continue;
    const given = Math.min(excess, Math.max(0, (widths[i] ?? 0) - Math.max(least, title.length)));
    widths[i] = (widths[i] ?? 0) - given;
    excess -= given;
  }
  const cells = (row: readonly Span[]) =>
    row.map((cell, i): Span => {
      const text = shorten(textOf(cell), widths[i] ?? 0);
      const last = i === columns.length - 1;
      const padded = last ? text : text.padEnd((widths[i] ?? 0) + GAP);
      return typeof cell === 'string' ? padded : [padded, cell[1]];
    });
  return [cells(columns.map(({ title }) => [title, 'dim'])), ...rows.map(cells)];
}

function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - end)}…${end === 0 ? '' : text.slice(-end)}`;
}
