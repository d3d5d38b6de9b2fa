/** What a colour says. */
export type Tone = 'good' | 'warning' | 'bad' | 'dim' | 'strong';

/** A piece of a line, with a colour or without. */
export type Span = string | readonly [text: string, tone: Tone];

export function textOf(span: Span): string {
  return typeof span === 'string' ? span : span[0];
}
