import { RedisReplyError } from '../errors.ts';
import type { RoundContext } from './context.ts';
import type { Position } from './cursor.ts';
import { encodeHealth, stateOf } from './health.ts';
import { isSuspicious } from './outage.ts';
import { type Page, readPage } from './pages.ts';
import { type PageProbes, probePage } from './probe.ts';
import { increment, type RoundSummary } from './summary.ts';
import { learnHeard, writeRound } from './writer.ts';

/** Pages that are read and not yet written: the oldest, and two that keep the probes busy while it is written. */
const MOST_OPEN_PAGES = 3;

/** How a walk ended. `failure` is what reading or writing a page threw. */
export interface WalkEnd {
  readonly complete: boolean;
  readonly failure?: unknown;
}

interface OpenPage {
  readonly page: Page;
  /** When the page before the last one began. */
  readonly beforeLast: Page['began'];
  /** Never rejects. */
  readonly probing: Promise<PageProbes | { readonly failure: unknown }>;
}

interface Walk {
  readonly context: RoundContext;
  readonly summarize: (end: WalkEnd) => RoundSummary;
  readonly open: OpenPage[];
  /** The next page to read. */
  position: Position;
  /** When the last two pages began; before the first one, when the walk did. */
  began: readonly [beforeLast: Page['began'], last: Page['began']];
  readAll: boolean;
  /** Redis did not take the cursor: once the open pages are written, the walk starts over. */
  rejected: boolean;
  restarted: boolean;
  /** The oldest page that was not finished. From then on the cursor stays there. */
  unfinished: Position | undefined;
  failure: unknown;
  /** After a failed write nothing is written any more: not behind it, and not page by page while Redis is away. */
  mayWrite: boolean;
  /** The end of the round is written. */
  closed: boolean;
}

/**
 * Walks the pages from a position on: the next ones are read while one is probed, and they are written in order. What
 * `summarize` answers is written with the last one, and ends the round.
 *
 * Everything that it started has ended when this resolves. It does not throw: a failure stops the walk, what was probed
 * until then is written if possible, and the cursor stays at the oldest page that is not finished.
 */
export async function walkPages(
  start: Position,
  context: RoundContext,
  summarize: (end: WalkEnd) => RoundSummary,
): Promise<WalkEnd> {
  const walkBegan = { ms: context.host.monotonicMs() };
  const walk: Walk = {
    context,
    summarize,
    open: [],
    position: start,
    began: [walkBegan, walkBegan],
    readAll: false,
    rejected: false,
    restarted: false,
    unfinished: undefined,
    failure: undefined,
    mayWrite: true,
    closed: false,
  };
  for (;;) {
    const mayRead = !walk.readAll && !walk.rejected && walk.open.length < MOST_OPEN_PAGES;
    if (mayRead && (await context.gate())) {
      await readNext(walk);
      continue;
    }
    const oldest = walk.open.shift();
    if (oldest !== undefined) {
      await finish(oldest, walk);
    } else if (walk.rejected && context.progress.stopped === undefined) {
      walk.position = { cursor: '0', passAt: context.part.at };
      walk.rejected = false;
      walk.restarted = true;
    } else {
      if (!walk.closed) await write(undefined, walk);
      return endOf(walk);
    }
  }
}

/** Reads the next page and starts its probes. */
async function readNext(walk: Walk): Promise<void> {
  const { context, open, position, began } = walk;
  try {
    const page = await readPage(context, { ...position, open: open.map((each) => each.page) });
    if (page === 'rejected') {
      if (walk.restarted) throw new RedisReplyError('ERR a cursor of this very walk was rejected');
      walk.rejected = true;
      return;
    }
    context.tally.pages += 1;
    const probing = probePage(page, context).catch((failure: unknown) => ({ failure }));
    open.push({ page, beforeLast: began[0], probing });
    walk.began = [began[1], page.began];
    walk.position = { ...position, cursor: page.next };
    walk.readAll = page.next === '0';
  } catch (error) {
    fail(error, walk);
  }
}

/** Waits for a page's probes, judges them as a whole, and writes the page. */
async function finish({ page, beforeLast, probing }: OpenPage, walk: Walk): Promise<void> {
  const { context } = walk;
  const { progress, outage, invocation } = context;
  const probes = await probing;
  if ('failure' in probes) fail(probes.failure, walk);
  if ('failure' in probes || !probes.finished) {
    walk.unfinished ??= { ...walk.position, cursor: page.cursor };
  }
  const suspicious =
    !('failure' in probes) && isSuspicious({ ...probes, ...progress, beforeLastBeganMs: beforeLast.ms });
  const counts = !suspicious || !(await outage.isOurs(invocation.signal));
  if (!counts) {
    progress.inconclusive = true;
    progress.stop('outage');
  }
  count(page, counts, context);
  await write({ page, counts }, walk);
}

/** Writes a page that was judged, and the end of the round if there is nothing after it. */
async function write(judged: { page: Page; counts: boolean } | undefined, walk: Walk): Promise<void> {
  const { context, open, position, unfinished } = walk;
  const { progress, hold } = context;
  if (hold.lost) progress.stop('lease');
  if (hold.lost || !walk.mayWrite) return;
  const more = open.length > 0 || ((walk.rejected || !walk.readAll) && progress.stopped === undefined);
  await learnHeard(context, { all: !more });
  try {
    await writeRound(
      {
        health: judged?.counts ? healthOf(judged.page) : [],
        ...(judged === undefined ? {} : { position: unfinished ?? behind(judged.page, position.passAt) }),
        ...(more ? {} : { summary: walk.summarize(endOf(walk)) }),
      },
      context,
    );
    walk.closed = !more;
  } catch (error) {
    walk.mayWrite = false;
    fail(error, walk);
  }
}

function fail(error: unknown, walk: Walk): void {
  walk.failure ??= error;
  walk.context.progress.stop('error');
}

function endOf({ readAll, unfinished, failure }: Walk): WalkEnd {
  const complete = readAll && unfinished === undefined && failure === undefined;
  return { complete, ...(failure === undefined ? {} : { failure }) };
}

function behind({ next }: Page, passAt: number): Position | 'end' {
  return next === '0' ? 'end' : { cursor: next, passAt };
}

function healthOf({ entries }: Page): string[] {
  return entries.flatMap(({ record, next }) =>
    next === undefined ? [] : [record.field, encodeHealth(next)],
  );
}

/** Counts the page's consumers by what is known about them now. */
function count({ entries }: Page, counts: boolean, { tally }: RoundContext): void {
  for (const { record, health, next } of entries) {
    tally.states[stateOf(counts && next !== undefined ? next : health, record.address.key)] += 1;
    if (next?.failures !== undefined && next.lastError !== undefined) increment(tally.errors, next.lastError);
  }
}
