import { clean } from '../report/text/escape.ts';

const RAW = Symbol('html');

/** A piece of HTML that is safe to send. Only `html` makes one. */
export interface Html {
  readonly [RAW]: string;
}

/** What may stand in a template: text is escaped, HTML is not; `false`, `undefined` and `null` are nothing. */
export type Piece = string | number | Html | false | null | undefined | readonly Piece[];

/**
 * Puts values into HTML. Whatever a value holds comes out as text: markup, quotes, control and formatting characters are
 * escaped. The template's own text is the program's, never a stranger's.
 *
 * @example
 * html`<p title="${address}">${name}</p>`
 */
export function html(strings: TemplateStringsArray, ...values: readonly Piece[]): Html {
  let text = strings[0] ?? '';
  for (const [i, value] of values.entries()) text += render(value) + (strings[i + 1] ?? '');
  return { [RAW]: text };
}

/** The HTML as a string. */
export function textOfHtml(page: Html): string {
  return page[RAW];
}

function render(piece: Piece): string {
  if (piece === false || piece === null || piece === undefined) return '';
  if (typeof piece === 'number') return String(piece);
  if (typeof piece === 'string') return escapeHtml(piece);
  if (isHtml(piece)) return piece[RAW];
  let text = '';
  for (const each of piece) text += render(each);
  return text;
}

function isHtml(piece: Html | readonly Piece[]): piece is Html {
  return RAW in piece;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return clean(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
