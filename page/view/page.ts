import { VERSION } from '../../lib/version.ts';
import type { Report } from '../../report/report.ts';
import { stamp } from '../../report/text/time.ts';
import { type Html, html, textOfHtml } from '../html.ts';
import { addressSection } from './address.ts';
import { consumersSection } from './consumers.ts';
import { hero, tiles } from './hero.ts';
import { mirrorSection } from './mirror.ts';
import { producersSection } from './producers.ts';
import { roundsSection } from './rounds.ts';
import { styleElement } from './style.ts';

export interface PageOptions {
  readonly report: Report;
  /** By this machine's clock, for where Redis's is not known, ms. */
  readonly wallMs: number;
  /** Seconds after which the browser asks again; nothing where the reader has stopped that. */
  readonly refreshSeconds?: number;
}

/** The status page. Pure: the same report gives the same page. */
export function statusPage({ report, wallMs, refreshSeconds }: PageOptions): string {
  const { facts, verdict } = report;
  const at = stamp(facts?.nowMs ?? wallMs);
  return document(
    `${verdict.toUpperCase()} - ${report.headline}`,
    html`<p class="top"><span>P2P consumer scheduler${facts !== undefined && html` <code title="${facts.uuid}">${facts.uuid.slice(0, 8)}</code>`}</span><span>${at}, ${
      refreshSeconds === undefined
        ? html`<a href="/">refresh again</a>`
        : html`every ${refreshSeconds} s, <a href="/?still">hold still</a>`
    }</span></p>
<main>${hero(report)}${tiles(report)}${
      facts === undefined
        ? html`<section><p class="quiet">Nothing else is known while Redis cannot be asked. The scheduler goes on trying, and takes up its work by itself.</p></section>`
        : html`<div class="columns"><div>${addressSection(facts)}${mirrorSection(facts)}</div><div>${producersSection(facts)}${roundsSection(facts)}</div></div>${consumersSection(facts)}`
    }</main>
<footer><p>Version ${VERSION}. Also as <a href="/status.json">JSON</a> and <a href="/metrics">metrics</a>. <code>p2p help</code> lists what you can do.</p></footer>`,
  );
}

/** What asks for the token. */
export function loginPage({ refused }: { refused: boolean }): string {
  return document(
    'Token needed',
    html`<main class="login"><form method="post" action="/login"><h1>Status page</h1><label for="token">Token (<code>PAGE_TOKEN</code>)</label><input id="token" name="token" type="password" autocomplete="current-password" required autofocus>${refused && html`<p class="warn" role="alert">That is not the token.</p>`}<button>Show the page</button></form></main>`,
  );
}

function document(title: string, body: Html): string {
  return textOfHtml(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="robots" content="noindex"><title>${title}</title><link rel="icon" type="image/svg+xml" href="/icon.svg">${styleElement}</head>
<body>${PATTERNS}${body}</body></html>
`);
}

/** Fills that differ in form, for those who do not tell the colours apart. */
const PATTERNS = html`<svg class="unseen" aria-hidden="true" width="0" height="0"><defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="p-back" width="8" height="8"/><rect class="p-front" width="4" height="8"/></pattern><pattern id="dots" width="8" height="8" patternUnits="userSpaceOnUse"><rect class="d-back" width="8" height="8"/><circle class="d-front" cx="4" cy="4" r="1.8"/></pattern><pattern id="lines" width="7" height="8" patternUnits="userSpaceOnUse"><rect class="n-back" width="7" height="8"/><rect class="n-front" width="2" height="8"/></pattern><pattern id="thin" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="u-back" width="6" height="6"/><rect class="u-front" width="1.5" height="6"/></pattern></defs></svg>`;
