import { clean, harmlessJson } from '../../report/text/escape.ts';
import type { Terminal } from '../terminal.ts';
import { type Span, type Tone, textOf, wrap } from './line.ts';
import { type Column, tableRows } from './table.ts';

/**
 * Stdout for people, or for programs. Whatever is given to it comes out without control characters, whoever wrote it.
 * Lines fit the terminal's columns, except for single words that do not.
 */
export interface Screen {
  /** A line as it is. */
  line(...spans: readonly Span[]): void;
  /** Wrapped at blanks. */
  text(text: string, tone?: Tone): void;
  /** Something at the left, and text wrapped beside it. */
  beside(lead: readonly Span[], text: string, tone?: Tone): void;
  /** A label at the left, and text wrapped beside it. Without a label it goes on under the one before. */
  entry(label: string, text: string, tone?: Tone): void;
  /** An item of a list: `- ` and text wrapped beside it. */
  item(text: string, tone?: Tone): void;
  table(columns: readonly Column[], rows: readonly (readonly Span[])[], options?: { wide?: boolean }): void;
  /** One JSON document. */
  json(value: unknown): void;
}

export const LABEL_WIDTH = 11;

const CODES: Readonly<Record<Tone, string>> = {
  good: '\u001b[32m',
  warning: '\u001b[33m',
  bad: '\u001b[31m',
  dim: '\u001b[2m',
  strong: '\u001b[1m',
};
const RESET = '\u001b[0m';

export function createScreen({
  write,
  columns,
  colour,
}: Pick<Terminal, 'write' | 'columns' | 'colour'>): Screen {
  const paint = (text: string, tone: Tone | undefined) =>
    colour && tone !== undefined && text.trim() !== '' ? `${CODES[tone]}${text}${RESET}` : text;
  const line = (...spans: readonly Span[]) => {
    const painted = spans.map((span) =>
      typeof span === 'string' ? clean(span) : paint(clean(span[0]), span[1]),
    );
    write(`${painted.join('').trimEnd()}\n`);
  };
  const beside: Screen['beside'] = (lead, text, tone) => {
    const width = lead.reduce((sum, span) => sum + textOf(span).length, 0);
    for (const [i, row] of wrap(clean(text), Math.max(20, columns - width)).entries()) {
      line(...(i === 0 ? lead : [' '.repeat(width)]), tone === undefined ? row : [row, tone]);
    }
  };
  return {
    line,
    beside,
    text(text, tone) {
      for (const row of wrap(clean(text), columns)) line(tone === undefined ? row : [row, tone]);
    },
    entry: (label, text, tone) => beside([[label.padEnd(LABEL_WIDTH), 'dim']], text, tone),
    item: (text, tone) => beside([tone === undefined ? '- ' : ['- ', tone]], text),
    table(titles, rows, { wide = false } = {}) {
      const cleaned = rows.map((row) => row.map(cleanSpan));
      for (const row of tableRows(titles, cleaned, wide ? Number.POSITIVE_INFINITY : columns)) line(...row);
    },
    json: (value) => write(`${harmlessJson(value)}\n`),
  };
}

function cleanSpan(span: Span): Span {
  return typeof span === 'string' ? clean(span) : [clean(span[0]), span[1]];
}
