import type { Facts } from '../../report/facts.ts';
import type { ProducerRow } from '../../report/peers/producer-row.ts';
import { plural, thousands } from '../../report/text/count.ts';
import { duration } from '../../report/text/time.ts';
import { failureWords, noneWords, withinWords } from '../../report/words.ts';
import { type Html, html, type Piece } from '../html.ts';
import { bar } from './charts.ts';
import { ago, MOST_SHOWN, none, section, shortUuid, unseen } from './parts.ts';

/** How far the telling of the present address is, and who is not told: why, and when next. */
export function producersSection(facts: Facts): Html {
  const { nowMs, producers, notifyRuns, register } = facts;
  const { known, due, first } = producers;
  return section(
    {
      id: 'producers',
      title: 'Producers',
      age: known === 0 ? noneWords(facts, 'none known') : html`${plural(known, 'producer')} known, just now`,
    },
    known === 0
      ? none(
          facts,
          html`No producer is known. The consumer API writes them, or <code>p2p producers add</code>.`,
        )
      : progress(facts),
    due > 0 &&
      html`<ul class="rows producers">${first.map((row) => producerItem(row, { nowMs, epoch: register.epoch }))}</ul>`,
    due > first.length &&
      html`<p class="quiet">and ${thousands(due - first.length)} more: <code>p2p producers</code></p>`,
    notifyRuns && html`<p class="quiet">Producers are being told right now.</p>`,
  );
}

function progress({ producers, register, changes }: Facts): Piece {
  const { known, due, overdue } = producers;
  if (register.current === undefined)
    return html`<p class="quiet">There is no address yet that they could be told.</p>`;
  const told = Math.min(known, register.told ?? Math.max(0, known - due));
  const waiting = Math.min(due, known - told);
  const [newest] = changes;
  const how = newest?.telling !== undefined && newest.epoch === register.epoch ? newest : undefined;
  const others = known - told - waiting;
  return html`${bar([
    { kind: 'told', count: told },
    { kind: 'waiting', count: waiting },
    { kind: 'none', count: others },
  ])}<ul class="legend"><li class="k-told"><b>${thousands(told)}</b> told ${how !== undefined && withinWords(how.telling, how.at)}</li>${
    due > 0 &&
    html`<li class="k-waiting"><b>${thousands(due)}</b> to be told${overdue > 0 && html`, <b>${thousands(overdue)}</b> overdue`}</li>`
  }${others > 0 && html`<li class="k-none"><b>${thousands(others)}</b> added since: told of the next change</li>`}</ul>`;
}

function producerItem(
  row: ProducerRow,
  { nowMs, epoch }: { nowMs: number; epoch: number | undefined },
): Html {
  const { uuid, address, state, due, delivery } = row;
  const why = failureWords(row, epoch);
  const next = due === undefined ? '' : due <= nowMs ? 'with the next check' : `in ${duration(due - nowMs)}`;
  return html`<li><span class="who">${shortUuid(uuid)} ${address?.slice(0, MOST_SHOWN) ?? 'not in producers'}</span><span class="state s-${state}">${state}</span><span class="why">${unseen('last attempt: ')}${why === '' ? 'not tried yet' : why}</span><span class="when">next attempt ${next}; ${delivery.ackedAt === undefined ? 'never told' : html`last told ${ago(delivery.ackedAt, nowMs)}`}</span></li>`;
}
