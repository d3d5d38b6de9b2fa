import type { RecentOutcome } from '../../lib/store/health-record.ts';
import type { DayHistory, DayWord } from '../../report/days.ts';
import type { Round } from '../../report/read/rounds.ts';
import { totalOf } from '../../report/text/count.ts';
import { type Html, html } from '../html.ts';

/** Charts are drawn as SVG, without scripts and inline styles. Each kind differs in form as well as in colour. */

/** A part of a bar. `kind` names its fill in the style sheet. */
export interface BarPart {
  readonly kind: string;
  readonly count: number;
}

const BAR_WIDTH = 1_000;
/** What is there at all is seen, however few it is. */
const LEAST_WIDTH = 6;
const BAR_GAP = 3;

/** One bar of several parts, each as wide as its share. It is a picture: the text beside it says the same. */
export function bar(parts: readonly BarPart[]): Html {
  const shown = parts.filter(({ count }) => count > 0);
  const total = shown.reduce((sum, { count }) => sum + count, 0);
  const room = BAR_WIDTH - BAR_GAP * Math.max(0, shown.length - 1) - LEAST_WIDTH * shown.length;
  let x = 0;
  const rects = shown.map(({ kind, count }) => {
    const width = LEAST_WIDTH + (room * count) / total;
    const rect = html`<rect class="k-${kind}" x="${x.toFixed(1)}" y="0" width="${width.toFixed(1)}" height="24"/>`;
    x += width + BAR_GAP;
    return rect;
  });
  return html`<svg class="bar" viewBox="0 0 ${BAR_WIDTH} 24" preserveAspectRatio="none" aria-hidden="true">${
    total === 0 ? html`<rect class="k-none" x="0" y="0" width="${BAR_WIDTH}" height="24"/>` : rects
  }</svg>`;
}

const CELL = 5;
const CELL_HEIGHT = 16;
/** Top and height of a cell: what answered is tall, what asked to be left alone half as tall, what failed a low block. */
const OUTCOME_FORMS: Readonly<Record<RecentOutcome, readonly [top: number, height: number]>> = {
  alive: [0, 16],
  busy: [5, 11],
  failed: [11, 5],
};

/** The last outcomes of a consumer as cells, the newest at the right. */
export function outcomeCells(outcomes: readonly RecentOutcome[], most: number): Html {
  const offset = most - outcomes.length;
  return cells(
    outcomes.map((outcome, i) => ({ kind: outcome, x: offset + i, form: OUTCOME_FORMS[outcome] })),
    most,
  );
}

const DAY_FORMS: Readonly<Record<DayWord, readonly [top: number, height: number]>> = {
  unknown: [14, 2],
  well: [0, 16],
  impaired: [5, 11],
  bad: [11, 5],
};

/** The kept days as cells, the last at the right. Days that were not kept are low marks. */
export function dayCells({ days }: DayHistory, most: number): Html {
  const offset = most - days.length;
  const missing = Array.from({ length: offset }, (): DayWord => 'unknown');
  return cells(
    [...missing, ...days].map((day, x) => ({ kind: `day-${day}`, x, form: DAY_FORMS[day] })),
    most,
  );
}

interface Cell {
  readonly kind: string;
  readonly x: number;
  readonly form: readonly [top: number, height: number];
}

/** One path for each kind, so that 50 rows of 60 cells stay a small page. */
function cells(all: readonly Cell[], most: number): Html {
  const paths = new Map<string, string>();
  for (const { kind, x, form } of all) {
    const [top, height] = form;
    paths.set(kind, `${paths.get(kind) ?? ''}M${x * CELL} ${top}h${CELL - 1}v${height}h-${CELL - 1}z`);
  }
  return html`<svg class="cells" viewBox="0 0 ${most * CELL} ${CELL_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${[
    ...paths,
  ].map(([kind, path]) => html`<path class="k-${kind}" d="${path}"/>`)}</svg>`;
}

const SPARK_STEP = 10;
const CALLS_HEIGHT = 48;
const DURATION_HEIGHT = 20;

/** Rounds as bars, the newest at the right: as tall as their calls, with what failed at the bottom. */
export function callsChart(newestFirst: readonly Round[], most: number): Html {
  const rounds = newestFirst.slice(0, most).reverse();
  const tallest = Math.max(1, ...rounds.map(({ probes }) => probes));
  const height = (value: number) => (value <= 0 ? 0 : Math.max(2, (value / tallest) * CALLS_HEIGHT));
  const column = (kind: string, index: number, tall: number) =>
    html`<rect class="k-${kind}" x="${index * SPARK_STEP}" y="${(CALLS_HEIGHT - tall).toFixed(1)}" width="8" height="${tall.toFixed(1)}"/>`;
  const bars = rounds.map(({ probes, errors, complete, inconclusive }, i) => {
    const index = most - rounds.length + i;
    const kind = inconclusive ? 'void' : complete ? 'calls' : 'partial';
    const failed = Math.min(height(probes), height(totalOf(errors)));
    return [column(kind, index, height(probes)), failed > 0 && column('failed', index, failed)];
  });
  return html`<svg class="spark" viewBox="0 0 ${most * SPARK_STEP} ${CALLS_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${bars}</svg>`;
}

/** How long each of the same rounds took, as a line. */
export function durationChart(newestFirst: readonly Round[], most: number): Html {
  const rounds = newestFirst.slice(0, most).reverse();
  const longest = Math.max(1, ...rounds.map(({ durationMs }) => durationMs));
  const points = rounds.map(({ durationMs }, i) => {
    const x = (most - rounds.length + i) * SPARK_STEP + 4;
    return `${x} ${(DURATION_HEIGHT - 2 - (durationMs / longest) * (DURATION_HEIGHT - 4)).toFixed(1)}`;
  });
  return html`<svg class="spark low" viewBox="0 0 ${most * SPARK_STEP} ${DURATION_HEIGHT}" preserveAspectRatio="none" aria-hidden="true"><path class="duration" d="M${points.join('L')}" vector-effect="non-scaling-stroke"/></svg>`;
}
