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
  /** Where it begins, and where a walk that has finished it goes on. */
  readonly position: Position;
  readonly next: Position | 'end';
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
  position: Position | 'end';
  /** The pass that it is to bring to its end, and whether it has read that one's last page. */
  passAt: number;
  readAll: boolean;
  /** Once another pass was begun: the page that ends it, the one with which this walk began. See `mayBeginAnew`. */
  until: string | undefined;
  /** When the last two pages began; before the first one, when the walk did. */
  began: readonly [beforeLast: Page['began'], last: Page['began']];
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
    passAt: start.passAt,
    readAll: false,
    until: undefined,
    began: [walkBegan, walkBegan],
    rejected: false,
    restarted: false,
    unfinished: undefined,
    failure: undefined,
    mayWrite: true,
    closed: false,
  };
  for (;;) {
    const { position } = walk;
    const mayRead = !walk.rejected && walk.open.length < MOST_OPEN_PAGES && context.budget.left > 0;
    if (position !== 'end' && mayRead && (await context.gate())) {
      await readNext(position, walk);
      continue;
    }
    const oldest = walk.open.shift();
    if (oldest !== undefined) {
      await finish(oldest, walk);
    } else if ((walk.rejected || mayBeginAnew(walk)) && context.progress.stopped === undefined) {
      startOver(start, walk);
    } else {
      if (!walk.closed) await write(undefined, walk);
      return endOf(walk);
    }
  }
}

/** Goes back to the first page: because Redis did not take a cursor, or to begin another pass. */
function startOver(start: Position, walk: Walk): void {
  const { context, readAll, rejected } = walk;
  walk.position = { cursor: '0', passAt: rejected ? context.part.at : context.afterNowMs() };
  if (!readAll) walk.passAt = context.part.at;
  if (rejected) walk.restarted = true;
  else walk.until = start.cursor;
  walk.rejected = false;
}

/** Reads the next page and starts its probes. */
async function readNext(position: Position, walk: Walk): Promise<void> {
  const { context, open, began } = walk;
  try {
    const page = await readPage(context, { ...position, open: open.map((each) => each.page) });
    if (page === 'rejected') {
      if (walk.restarted) throw new RedisReplyError('ERR a cursor of this very walk was rejected');
      walk.rejected = true;
      return;
    }
    context.tally.pages += 1;
    const probing = probePage(page, context).catch((failure: unknown) => ({ failure }));
    const next = page.next === '0' || page.cursor === walk.until ? 'end' : { ...position, cursor: page.next };
    open.push({ page, position, next, beforeLast: began[0], probing });
    walk.began = [began[1], page.began];
    walk.position = next;
    walk.readAll ||= next === 'end';
  } catch (error) {
    fail(error, walk);
  }
}

/** Waits for a page's probes, judges them as a whole, and writes the page. */
async function finish(oldest: OpenPage, walk: Walk): Promise<void> {
  const { page, beforeLast, probing } = oldest;
  const { context } = walk;
  const { progress, outage, invocation } = context;
  const probes = await probing;
  if ('failure' in probes) fail(probes.failure, walk);
  if ('failure' in probes || !probes.finished || page.cut) {
    walk.unfinished ??= oldest.position;
  }
  const suspicious =
    !('failure' in probes) && isSuspicious({ ...probes, ...progress, beforeLastBeganMs: beforeLast.ms });
  const counts = !suspicious || !(await outage.isOurs(invocation.signal));
  if (!counts) {
    progress.inconclusive = true;
    progress.stop('outage');
  }
  count(page, counts, context);
  await write({ ...oldest, counts }, walk);
}

/** Writes a page that was judged, and the end of the round if there is nothing after it. */
async function write(
  judged: (Pick<OpenPage, 'page' | 'next'> & { counts: boolean }) | undefined,
  walk: Walk,
): Promise<void> {
  const { context, open, unfinished } = walk;
  const { progress, hold, budget } = context;
  if (hold.lost) progress.stop('lease');
  else if (open.length === 0 && budget.left === 0 && (walk.position !== 'end' || judged?.page.cut)) {
    progress.stop('budget');
  }
  if (hold.lost || !walk.mayWrite) return;
  const goesOn = walk.position !== 'end' || mayBeginAnew(walk);
  const more = open.length > 0 || (goesOn && progress.stopped === undefined);
  await learnHeard(context, { all: !more });
  try {
    await writeRound(
      {
        health: judged?.counts ? healthOf(judged.page) : [],
        ...(judged === undefined ? {} : { position: unfinished ?? judged.next }),
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

function endOf({ readAll, passAt, unfinished, failure }: Walk): WalkEnd {
  const complete = readAll && unfinished?.passAt !== passAt && failure === undefined;
  return { complete, ...(failure === undefined ? {} : { failure }) };
}

/**
 * Whether a walk that has brought an older pass to its end begins the next one: with a limited budget what is left of it
 * must not be lost, else a little more than fits into one round would take two. Not before the open pages are written:
 * who is in one of them would be passed over.
 */
function mayBeginAnew({ context: { budget, part }, position, passAt, until }: Walk): boolean {
  const limited = Number.isFinite(budget.left) && budget.left > 0;
  return limited && position === 'end' && passAt < part.at && until === undefined;
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
