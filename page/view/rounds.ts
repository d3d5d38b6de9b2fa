import type { Facts } from '../../report/facts.ts';
import type { Round } from '../../report/read/rounds.ts';
import { isStale } from '../../report/read/stale.ts';
import { plural, thousands, totalOf } from '../../report/text/count.ts';
import { duration } from '../../report/text/time.ts';
import { noneWords, roundWords } from '../../report/words.ts';
import { type Html, html } from '../html.ts';
import { callsChart, durationChart } from './charts.ts';
import { ago, none, section } from './parts.ts';

const CHART_ROUNDS = 60;
const LISTED_ROUNDS = 10;

/** The last rounds as a chart and in words. */
export function roundsSection(facts: Facts): Html {
  const { nowMs, rounds, syncRuns, syncEveryMs } = facts;
  const [last] = rounds;
  const old = last !== undefined && !syncRuns && isStale(last.at, syncEveryMs, nowMs);
  return section(
    {
      id: 'rounds',
      title: 'Rounds',
      age: syncRuns
        ? 'one is running'
        : last === undefined
          ? noneWords(facts, 'none yet')
          : html`last round ${ago(last.at, nowMs)}`,
    },
    rounds.length === 0 && none(facts, `No round has ended yet. One is due every ${duration(syncEveryMs)}.`),
    old && html`<p class="warn">Rounds have stopped: how consumers are now is unknown.</p>`,
    rounds.length > 0 && chart(rounds.slice(0, CHART_ROUNDS), nowMs),
    rounds.length > 0 &&
      html`<details><summary>The last ${plural(Math.min(LISTED_ROUNDS, rounds.length), 'round')} in words</summary><ul class="plain">${rounds
        .slice(0, LISTED_ROUNDS)
        .map((round) => html`<li>${ago(round.at, nowMs)}: ${roundWords(round)}</li>`)}</ul></details>`,
  );
}

function chart(rounds: readonly Round[], nowMs: number): Html {
  const oldest = rounds.at(-1);
  const calls = rounds.map(({ probes }) => probes);
  const durations = rounds.map(({ durationMs }) => durationMs);
  const failed = rounds.reduce((sum, { errors }) => sum + totalOf(errors), 0);
  const unfinished = rounds.filter(({ complete }) => !complete).length;
  return html`<figure>${callsChart(rounds, CHART_ROUNDS)}${durationChart(rounds, CHART_ROUNDS)}<figcaption><ul class="legend"><li class="k-calls"><b>${range(calls, thousands)}</b> calls each</li><li class="k-failed"><b>${thousands(failed)}</b> failed in all</li><li class="k-duration"><b>${range(durations, duration)}</b> long</li>${unfinished > 0 && html`<li class="k-partial"><b>${unfinished}</b> not complete</li>`}</ul><p class="quiet">${plural(rounds.length, 'round')}, the first ${ago(oldest?.at, nowMs)}</p></figcaption></figure>`;
}

function range(values: readonly number[], words: (value: number) => string): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? words(least) : `${words(least)} to ${words(most)}`;
}
