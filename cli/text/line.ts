/** What a colour says. */
export type Tone = 'good' | 'warning' | 'bad' | 'dim' | 'strong';

/** A piece of a line, with a colour or without. */
export type Span = string | readonly [text: string, tone: Tone];

export function textOf(span: Span): string {
  return typeof span === 'string' ? span : span[0];
}

/** Breaks at blanks so that no row is wider than `width`; a word that is longer stands alone, uncut, so it can be copied. */
export function wrap(text: string, width: number, hanging = ''): string[] {
  const rows: string[] = [];
  let row = '';
  for (const word of text.split(/(?<=\S) (?=\S)/)) {
    if (row === '') row = rows.length === 0 ? word : hanging + word;
    else if (row.length + 1 + word.length <= width) row += ` ${word}`;
    else {
      rows.push(row);
      row = hanging + word;
    }
  }
  return [...rows, row];
}
