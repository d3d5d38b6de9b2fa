import { isStale } from '../../report/read/stale.ts';
import type { Verdict } from '../../report/reasons.ts';
import type { Report } from '../../report/report.ts';
import { plural, thousands } from '../../report/text/count.ts';
import { duration } from '../../report/text/time.ts';
import { aliveOf, noneWords } from '../../report/words.ts';
import { type Html, html, type Piece, textOfHtml } from '../html.ts';
import { ago, withCode } from './parts.ts';

/** A form for each verdict, so that it is told without its colour: a disc, a triangle, a broken ring. */
const MARKS: Readonly<Record<Verdict, Html>> = {
  ok: html`<circle cx="32" cy="32" r="29"/><path class="sign" d="M18 33l10 10 19-21"/>`,
  attention: html`<path d="M32 4L62 58H2z"/><path class="sign" d="M32 24v16M32 48v1"/>`,
  unknown: html`<circle class="ring" cx="32" cy="32" r="27"/><path class="sign dark" d="M24 25a8 8 0 1 1 12 7c-3 2-4 3-4 7M32 46v1"/>`,
};

/** The verdict, readable across a room, and what it rests on. */
export function hero({ verdict, headline, reasons }: Report): Html {
  return html`<header class="hero v-${verdict}"><svg class="mark" viewBox="0 0 64 64" aria-hidden="true">${MARKS[verdict]}</svg><div><h1>${verdict.toUpperCase()}</h1><p class="headline">${headline}</p></div>${
    reasons.length > 0 &&
    html`<ul class="reasons">${reasons.map(({ verdict, text }) => html`<li class="v-${verdict}">${withCode(text)}</li>`)}</ul>`
  }</header>
`;
}

/** The same forms as icons of the browser's tab. */
const ICONS: Readonly<Record<Verdict, Html>> = {
  ok: html`<circle cx="32" cy="32" r="29" fill="#2b8a57"/><path d="M18 33l10 10 19-21" fill="none" stroke="#fff" stroke-width="7"/>`,
  attention: html`<path d="M32 4L62 58H2z" fill="#c2521b"/><path d="M32 24v16M32 47v4" fill="none" stroke="#fff" stroke-width="7"/>`,
  unknown: html`<circle cx="32" cy="32" r="27" fill="none" stroke="#7a6fc0" stroke-width="8" stroke-dasharray="12 6"/><path d="M24 25a8 8 0 1 1 12 7c-3 2-4 3-4 7M32 46v3" fill="none" stroke="#7a6fc0" stroke-width="7"/>`,
};

/** The icon of the browser's tab, an SVG document. */
export function icon(verdict: Verdict): string {
  return textOfHtml(
    html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">${ICONS[verdict]}</svg>`,
  );
}

/** Four figures, each with its age, that lead to their sections. */
export function tiles({ facts }: Report): Piece {
  if (facts === undefined) return undefined;
  const { nowMs, register, producers, consumers, rounds, checkEveryMs, syncEveryMs, syncRuns } = facts;
  const [last] = rounds;
  const confirmed = !isStale(register.verifiedAt, checkEveryMs, nowMs);
  const { states, countedAt } = consumers;
  const { alive, asked } = aliveOf(consumers);
  const told = register.told ?? Math.max(0, producers.known - producers.due);
  return html`<nav class="tiles" aria-label="Figures">${[
    tile('address', 'Address', {
      value: confirmed ? (register.current ?? 'unknown') : 'unknown',
      note:
        register.verifiedAt === undefined
          ? html`never confirmed`
          : html`${!confirmed && 'last '}confirmed ${ago(register.verifiedAt, nowMs)}`,
    }),
    tile('producers', 'Producers told', {
      value:
        producers.known === 0
          ? noneWords(facts, 'none known')
          : `${thousands(Math.min(told, producers.known))} of ${thousands(producers.known)}`,
      note: producers.due === 0 ? html`nobody waits` : html`${thousands(producers.due)} to be told`,
    }),
    tile('consumers', 'Consumers alive', {
      value:
        states === undefined || (states.alive === 0 && states.unknown > 0)
          ? 'unknown'
          : `${thousands(alive)} of ${thousands(asked)}`,
      note:
        states === undefined || (states.alive === 0 && states.unknown > 0)
          ? html`no recent round`
          : html`${asked < consumers.known && 'asked, '}${countedAt === undefined ? 'just now' : html`as of ${ago(countedAt, nowMs)}`}`,
    }),
    tile('rounds', 'Last round', {
      value:
        last === undefined
          ? noneWords(facts, 'none yet')
          : isStale(last.at, syncEveryMs, nowMs) && !syncRuns
            ? 'unknown'
            : plural(last.probes, 'call'),
      note: syncRuns
        ? html`one is running`
        : last === undefined
          ? html`one is due every ${duration(syncEveryMs)}`
          : ago(last.at, nowMs),
    }),
  ]}</nav>
`;
}

/** An address is longer, and is written smaller, so that it fits. */
const LONG_VALUE = 11;

function tile(id: string, label: string, { value, note }: { value: string; note: Html }): Html {
  return html`<a href="#${id}"><span class="label">${label}</span><span class="value${value.length > LONG_VALUE && ' long'}">${value}</span><span class="note">${note}</span></a>`;
}
