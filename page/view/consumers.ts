import { KEPT_DAYS } from '../../lib/store/days.ts';
import { RECENT_OUTCOMES, type RecentOutcome, readOutcomes } from '../../lib/store/health-record.ts';
import type { ConsumerFacts, CountedState } from '../../report/consumers.ts';
import type { Facts } from '../../report/facts.ts';
import type { ConsumerRow } from '../../report/peers/consumer-row.ts';
import { plural, tallyText, thousands } from '../../report/text/count.ts';
import { duration } from '../../report/text/time.ts';
import { noneWords } from '../../report/words.ts';
import { type Html, html } from '../html.ts';
import { bar, dayCells, outcomeCells } from './charts.ts';
import { ago, MOST_SHOWN, none, section, shortUuid, unseen } from './parts.ts';

const STATES: readonly CountedState[] = ['alive', 'suspect', 'dead', 'new', 'unknown', 'unusable'];

/** Consumers as a bar by state, and the worst of them with their last outcomes. */
export function consumersSection(facts: Facts): Html {
  const { nowMs, consumers } = facts;
  const { known, heardOf, states, countedAt, worst, unusable, refused } = consumers;
  return section(
    {
      id: 'consumers',
      title: 'Consumers',
      age:
        known === 0
          ? noneWords(facts, 'none known')
          : html`${plural(known, 'consumer')} known, ${countedAt === undefined ? 'just now' : html`as of the round ${ago(countedAt, nowMs)}`}`,
    },
    known === 0
      ? none(
          facts,
          html`No consumer is known. One is enough, it introduces you to the others: <code>p2p consumers add &lt;uuid&gt; &lt;address&gt;</code>`,
        )
      : stateBar(states),
    heardOf > 0 && html`<p class="quiet">Only heard of, not confirmed yet: ${thousands(heardOf)}.</p>`,
    worst.length > 0 &&
      html`<h3>${worst.length < reachable(consumers) ? `The ${worst.length} worst${countedAt === undefined ? '' : ' of that round'}` : 'All of them, the worst first'}</h3>`,
    worst.length > 0 &&
      html`<p class="quiet">Cells are the last ${RECENT_OUTCOMES} calls: tall was answered, half as tall asked us to wait, low failed.${worst.some(({ days }) => days !== undefined) && html` Under them ${KEPT_DAYS} days, each at its worst.`}</p>`,
    worst.length > 0 && html`<ul class="rows consumers">${worst.map((row) => consumerItem(row, nowMs))}</ul>`,
    unusable.length > 0 && html`<h3>Entries that cannot be called</h3>`,
    unusable.length > 0 &&
      html`<ul class="rows">${unusable.map(({ uuid, address, refused }) => html`<li><span class="who">${shortUuid(uuid)} ${address.slice(0, MOST_SHOWN)}</span><span class="state s-unusable">unusable</span><span class="why">${refused ?? ''}</span></li>`)}</ul>`,
    unusable.length === 0 &&
      Object.keys(refused).length > 0 &&
      html`<p class="quiet">Entries that cannot be called: ${tallyText(refused)}.</p>`,
    countedAt !== undefined &&
      html`<p class="quiet"><code>p2p consumers --limit 0</code> lists all of them.</p>`,
  );
}

function reachable({ known, states }: ConsumerFacts): number {
  return known - (states?.unusable ?? 0);
}

function stateBar(states: ConsumerFacts['states']): Html {
  if (states === undefined) {
    return html`${bar([])}<p class="quiet">Their states are unknown: no complete round is recent.</p>`;
  }
  const shown = STATES.filter((state) => states[state] > 0 || state === 'alive');
  return html`${bar(STATES.map((state) => ({ kind: state, count: states[state] })))}<ul class="legend">${shown.map(
    (state) => html`<li class="k-${state}"><b>${thousands(states[state])}</b> ${state}</li>`,
  )}</ul>`;
}

function consumerItem({ uuid, address, state, health, days }: ConsumerRow, nowMs: number): Html {
  const due = health?.due;
  const recent = readOutcomes(health?.recent ?? '');
  const next = due !== undefined && due > nowMs ? html`, again in ${duration(due - nowMs)}` : undefined;
  return html`<li><span class="who">${shortUuid(uuid)} ${address}</span><span class="state s-${state}">${state}${health !== undefined && state !== 'unknown' && html` <small>${ago(health.since, nowMs)}</small>`}</span><span class="recent">${outcomeCells(recent, RECENT_OUTCOMES)}${unseen(outcomeWords(recent))}</span><span class="why">${
    health?.lastError !== undefined && health.lastFail !== undefined
      ? html`${health.lastError} ${ago(health.lastFail, nowMs)}${next}`
      : html`<span class="quiet">no failure</span>`
  }</span><span class="when">${health?.lastOk === undefined ? 'never answered' : html`answered ${ago(health.lastOk, nowMs)}`}${health?.rtt !== undefined && html`, ${health.rtt} ms`}</span>${
    days !== undefined &&
    html`<span class="days">${dayCells(days, KEPT_DAYS)}${unseen(`In ${plural(days.days.length, 'day')}: dead on ${days.days.filter((day) => day === 'bad').length}.`)}</span>`
  }</li>`;
}

function outcomeWords(recent: readonly RecentOutcome[]): string {
  if (recent.length === 0) return 'not called yet';
  const failed = recent.filter((outcome) => outcome === 'failed').length;
  const last = recent.at(-1) === 'failed' ? 'failed' : 'was answered';
  return `${recent.length - failed} of the last ${plural(recent.length, 'call')} were answered; the last ${last}`;
}
