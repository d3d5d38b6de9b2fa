import { wrap } from '../cli/text/line.ts';
import { clean } from '../report/text/escape.ts';

/** What a line is about, in one word at its left, and what it says. */
export interface Line {
  readonly tag: 'stack' | 'redis' | 'world' | 'sync' | 'ip' | 'notify' | 'log';
  readonly text: string;
  /** Further lines under it, already short. */
  readonly details?: readonly string[];
  readonly tone?: 'good' | 'bad';
}

export interface TerminalOptions {
  /** Columns to fit. */
  readonly columns: number;
  readonly colour: boolean;
}

const TAG_WIDTH = 8;
const TIME_WIDTH = 10;
const INDENT = TIME_WIDTH + TAG_WIDTH;
const TONES = { good: '\u001b[32m', bad: '\u001b[31m' } as const;
const DIM = '\u001b[2m';
const RESET = '\u001b[0m';

/** The line as it is printed: local time, tag, text wrapped to the columns, details indented below. Pure. */
export function formatLine(line: Line, at: Date, { columns, colour }: TerminalOptions): string {
  const width = Math.max(20, columns - INDENT);
  const paint = (text: string, code: string) => (colour ? `${code}${text}${RESET}` : text);
  const head = `${clock(at)}  ${line.tag.padEnd(TAG_WIDTH)}`;
  const body = wrap(clean(line.text), width).map((text) =>
    line.tone === undefined ? text : paint(text, TONES[line.tone]),
  );
  const details = (line.details ?? []).flatMap((detail) => wrap(clean(detail), width - 2, '  '));
  const rows = [...body, ...details.map((text) => `  ${text}`)];
  return rows
    .map((text, index) => `${index === 0 ? paint(head, DIM) : ' '.repeat(INDENT)}${text}`)
    .join('\n');
}

/** Local time, to the second. */
export function clock(at: Date): string {
  return at.toTimeString().slice(0, 8);
}
