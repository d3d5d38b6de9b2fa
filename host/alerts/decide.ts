import type { Change } from '../../report/read/changes.ts';
import type { Verdict } from '../../report/reasons.ts';
import type { Report } from '../../report/report.ts';

/** Something that the operator is to be told. Times are ms, by Redis's clock where it can be asked. */
export type News =
  | {
      readonly kind: 'verdict';
      readonly verdict: Verdict;
      readonly at: number;
      readonly headline: string;
      readonly reasons: readonly string[];
    }
  | { readonly kind: 'address'; readonly from?: string; readonly to: string; readonly at: number };

/** What was told, what is to be told, and what is being watched. It is kept in Redis as JSON. */
export interface AlertState {
  /** The verdict that was told last, and when. */
  readonly told: Verdict;
  readonly toldAt: number;
  /** The verdict that was seen last, and since when it has been so. */
  readonly seen: Verdict;
  readonly seenAt: number;
  /** The epoch of the address that was told last, or is in the queue. */
  readonly epoch: number;
  /** What is not told yet, the oldest first. */
  readonly queue: readonly News[];
  /** When messages were sent, within the last hour. */
  readonly sent: readonly number[];
}

/** A verdict counts once it has lasted for so long. */
const LASTING_MS = 60_000;
/** At most so many messages in an hour. What comes to more is told together, later. */
const MOST_AN_HOUR = 6;
const HOUR_MS = 3_600_000;
/** Of what could not be told for long, the first and the latest are kept. */
const MOST_NEWS = 20;
const MOST_REASONS = 5;

/** The state before anything was told: whoever hears nothing takes all for well. */
export function firstState(report: Report, nowMs: number): AlertState {
  return {
    told: 'ok',
    toldAt: nowMs,
    seen: report.verdict,
    seenAt: nowMs,
    epoch: report.facts?.register.epoch ?? 0,
    queue: [],
    sent: [],
  };
}

/** The state after one more look at the report. Pure. */
export function nextState(state: AlertState, report: Report, nowMs: number): AlertState {
  const isNew = report.verdict !== state.seen;
  const seenAt = isNew || state.seenAt > nowMs ? nowMs : state.seenAt;
  const news = [
    ...addressNews(state, report),
    ...(isNew ? [] : verdictNews({ ...state, seenAt }, report, nowMs)),
  ];
  const epoch = Math.max(state.epoch, report.facts?.register.epoch ?? 0);
  const sent = state.sent.filter((at) => isWithinHour(at, nowMs));
  return { ...state, seen: report.verdict, seenAt, epoch, queue: bounded([...state.queue, ...news]), sent };
}

/** The state once the queue was told. */
export function afterSending(state: AlertState, told: readonly News[], nowMs: number): AlertState {
  const last = told.findLast(({ kind }) => kind === 'verdict');
  return {
    ...state,
    ...(last?.kind === 'verdict' ? { told: last.verdict, toldAt: nowMs } : {}),
    queue: state.queue.filter((news) => !told.includes(news)),
    sent: [...state.sent, nowMs],
  };
}

/** Whether a message may be sent now. */
export function maySend({ queue, sent }: AlertState, nowMs: number): boolean {
  return queue.length > 0 && sent.filter((at) => isWithinHour(at, nowMs)).length < MOST_AN_HOUR;
}

/** Also where Redis's clock was set back since. */
function isWithinHour(at: number, nowMs: number): boolean {
  return Math.abs(nowMs - at) < HOUR_MS;
}

function verdictNews(state: AlertState, { verdict, headline, reasons }: Report, nowMs: number): News[] {
  const waiting = state.queue.findLast(({ kind }) => kind === 'verdict');
  const last = waiting?.kind === 'verdict' ? waiting.verdict : state.told;
  if (verdict === last || nowMs - state.seenAt < LASTING_MS) return [];
  return [
    {
      kind: 'verdict',
      verdict,
      at: state.seenAt,
      headline,
      reasons: reasons.slice(0, MOST_REASONS).map(({ text }) => text),
    },
  ];
}

/** Every change of the address that is newer than the last one that was told, as far as the history still has it. */
function addressNews({ epoch: told }: AlertState, { facts }: Report): News[] {
  const epoch = facts?.register.epoch;
  if (facts === undefined || epoch === undefined || epoch <= told) return [];
  const changes = facts.changes.filter((change) => change.epoch > told).reverse();
  const toNews = ({ from, to, at }: Pick<Change, 'to' | 'at'> & { readonly from?: string }): News => ({
    kind: 'address',
    ...(from === undefined ? {} : { from }),
    to,
    at,
  });
  if (changes.length > 0) return changes.map(toNews);
  // The history is only a log: what it has lost, the register still knows.
  const { current, previous, since } = facts.register;
  if (current === undefined) return [];
  return [
    toNews({ to: current, at: since ?? facts.nowMs, ...(previous === undefined ? {} : { from: previous }) }),
  ];
}

function bounded(queue: readonly News[]): readonly News[] {
  return queue.length <= MOST_NEWS ? queue : [...queue.slice(0, 1), ...queue.slice(1 - MOST_NEWS)];
}
