import type { Facts } from '../../report/facts.ts';
import { relative, stamp } from '../../report/text/time.ts';
import { type Html, html, type Piece } from '../html.ts';

/** How long ago, as people read it, with the time itself for programs and for whoever points at it. */
export function ago(at: number | undefined, nowMs: number): Html {
  if (at === undefined) return html`never`;
  const when = stamp(at);
  const date = when.endsWith('Z') ? when.replace(' ', 'T') : undefined;
  return date === undefined
    ? html`at no valid time`
    : html`<time datetime="${date}" title="${when}">${relative(at, nowMs)}</time>`;
}

/** A card with a heading, and at its right how old its figures are. */
export function section(
  { id, title, age }: { id: string; title: string; age?: Piece },
  ...content: readonly Piece[]
): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title"><header><h2 id="${id}-title">${title}</h2>${age !== undefined && html`<p class="age">${age}</p>`}</header>${content}</section>
`;
}

/** What is said where nothing of a kind was found: nothing is known of what stands in a key of another type. */
export function none({ wrongTypes }: Facts, words: Piece): Html {
  return html`<p class="quiet">${wrongTypes.length === 0 ? words : 'Not known: a key in Redis has the wrong type.'}</p>`;
}

/** Text for screen readers alone. */
export function unseen(text: string): Html {
  return html`<span class="unseen">${text}</span>`;
}

/** A UUID and the longest address are shorter; a stranger's words may be of any length. */
export const MOST_SHOWN = 60;

/** The first digits of a UUID, the whole of it for whoever points at it. */
export function shortUuid(uuid: string): Html {
  return html`<code title="${uuid.slice(0, MOST_SHOWN)}">${uuid.slice(0, 8)}</code>`;
}

/** A sentence of the program's, with what stands between backticks as code. */
export function withCode(text: string): Piece {
  return text.split('`').map((piece, i) => (i % 2 === 1 ? html`<code>${piece}</code>` : piece));
}
