import { KEPT_DAYS } from '../../lib/store/days.ts';
import type { DayHistory, DayWord } from '../../report/days.ts';
import type { Facts } from '../../report/facts.ts';
import type { Change } from '../../report/read/changes.ts';
import { isStale } from '../../report/read/stale.ts';
import { plural } from '../../report/text/count.ts';
import { duration } from '../../report/text/time.ts';
import { firstToldWords, tellingWords } from '../../report/words.ts';
import { type Html, html } from '../html.ts';
import { dayCells } from './charts.ts';
import { ago, none, section, unseen } from './parts.ts';

const SHOWN_CHANGES = 8;

/** The address, what the checks say about it, and a timeline of its changes. */
export function addressSection(facts: Facts): Html {
  const { nowMs, register, changes, checkEveryMs, operators, quorum, days } = facts;
  const { current, since, verifiedAt, checkedAt, candidate, unknownChecks } = register;
  const known = current !== undefined && !isStale(verifiedAt, checkEveryMs, nowMs);
  return section(
    {
      id: 'address',
      title: 'Address',
      age: checkedAt === undefined ? 'no check yet' : html`last check ${ago(checkedAt, nowMs)}`,
    },
    html`<p class="address">${known ? html`<b>${current}</b>` : html`<b>unknown</b>${current !== undefined && html` <span class="was">it was ${current}</span>`}`}</p>`,
    html`<dl class="facts">${[
      since !== undefined && html`<div><dt>since</dt><dd>${ago(since, nowMs)}</dd></div>`,
      html`<div><dt>confirmed</dt><dd>${ago(verifiedAt, nowMs)}</dd></div>`,
      register.answering !== undefined &&
        html`<div><dt>sources that answered</dt><dd>${register.answering} of ${operators}, ${quorum} must agree</dd></div>`,
      unknownChecks > 0 &&
        html`<div><dt>found nothing out</dt><dd>${unknownChecks === 1 ? 'the last check' : `${unknownChecks} checks in a row`}</dd></div>`,
      candidate !== undefined &&
        html`<div><dt>contested</dt><dd>${candidate.ip}, seen by ${candidate.checks} of 3 checks, ${ago(candidate.at, nowMs)}</dd></div>`,
    ]}</dl>`,
    days?.days.some((day) => day !== 'unknown') && ownDays(days),
    html`<h3>Changes</h3>`,
    changes.length === 0
      ? none(facts, 'The address has not changed yet.')
      : html`<ol class="timeline">${changes.slice(0, SHOWN_CHANGES).map((change) => changeItem(change, nowMs))}</ol>`,
    changes.length > SHOWN_CHANGES &&
      html`<p class="quiet">and ${changes.length - SHOWN_CHANGES} or more before: <code>p2p history</code></p>`,
  );
}

function changeItem({ from, to, at, manual, verifiedAt, telling }: Change, nowMs: number): Html {
  const noticed =
    verifiedAt !== undefined && verifiedAt <= at ? `noticed within ${duration(at - verifiedAt)}` : undefined;
  const first = firstToldWords(telling, at);
  return html`<li><p class="move"><span class="from">${from ?? 'nothing'}</span> <span class="arrow" aria-hidden="true">→</span> ${unseen('became')} <b>${to}</b>${manual && html` <span class="tag">operator’s word</span>`}</p><p class="detail">${ago(at, nowMs)}${noticed !== undefined && html`, ${noticed}`}</p>${
    telling !== undefined &&
    html`<p class="detail">${tellingWords(telling, at)}${first !== '' && html`, ${first}`}</p>`
  }</li>`;
}

function ownDays(history: DayHistory): Html {
  const count = (word: DayWord) => history.days.filter((day) => day === word).length;
  const [changed, waited] = [count('impaired'), count('bad')].map((days) => plural(days, 'day'));
  const words = `${plural(history.days.length, 'day')}, each at its worst: the address changed on ${changed}, producers waited for over ten minutes on ${waited}.`;
  return html`<figure class="days">${dayCells(history, KEPT_DAYS)}<figcaption>${words}</figcaption></figure>`;
}
