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
  readonly beforeLast: { readonly ms: number };
  /** Never rejects. */
  readonly probing: Promise<PageProbes | { readonly failure: unknown }>;
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
  const { progress, tally, hold, host } = context;
  const open: OpenPage[] = [];
  let { cursor, passAt } = start;
  const roundBegan = { ms: host.monotonicMs() };
  let began: readonly { readonly ms: number }[] = [roundBegan, roundBegan];
  let readAll = false;
  let rejected = false;
  let restarted = false;
  let unfinished: Position | undefined;
  let failure: unknown;
  let mayWrite = true;
  let closed = false;

  const fail = (error: unknown) => {
    failure ??= error;
    progress.stop('error');
  };
  const end = (): WalkEnd => ({
    complete: readAll && unfinished === undefined && failure === undefined,
    ...(failure === undefined ? {} : { failure }),
  });

  const readNext = async () => {
    const page = await readPage(context, { cursor, passAt, open: open.map((each) => each.page) });
    if (page === 'rejected') {
      if (restarted) throw new RedisReplyError('ERR a cursor of this very walk was rejected');
      rejected = true;
      return;
    }
    tally.pages += 1;
    const probing = probePage(page, context).catch((error: unknown) => ({ failure: error }));
    open.push({ page, beforeLast: began[0] ?? roundBegan, probing });
    began = [...began.slice(1), page.began];
    cursor = page.next;
    readAll = page.next === '0';
  };

  const write = async (page?: { page: Page; counts: boolean }) => {
    const last = open.length === 0 && !rejected && (readAll || progress.stopped !== undefined);
    if (hold.lost) progress.stop('lease');
    if (hold.lost || !mayWrite) return;
    await learnHeard(context, { all: last });
    await writeRound(
      {
        health: page?.counts ? healthOf(page.page) : [],
        ...(page === undefined ? {} : { position: unfinished ?? behind(page.page, passAt) }),
        ...(last ? { summary: summarize(end()) } : {}),
      },
      context,
    );
    closed = last;
  };

  const attempt = async (step: () => Promise<void>, onError: () => void = () => {}) => {
    try {
      await step();
    } catch (error) {
      onError();
      fail(error);
    }
  };

  const finish = async ({ page, beforeLast, probing }: OpenPage) => {
    const probes = await probing;
    if ('failure' in probes) fail(probes.failure);
    if ('failure' in probes || !probes.finished) unfinished ??= { cursor: page.cursor, passAt };
    const suspicious =
      !('failure' in probes) && isSuspicious({ ...probes, ...progress, beforeLastBeganMs: beforeLast.ms });
    const counts = !suspicious || !(await context.outage.isOurs(context.invocation.signal));
    if (!counts) {
      progress.inconclusive = true;
      progress.stop('outage');
    }
    count(page, counts, context);
    await attempt(
      () => write({ page, counts }),
      () => {
        // Its cursor must stay, and Redis is not asked page by page whether it is back.
        mayWrite = false;
      },
    );
  };

  for (;;) {
    const mayRead = !readAll && !rejected && open.length < MOST_OPEN_PAGES && (await context.gate());
    const oldest = mayRead ? undefined : open.shift();
    if (mayRead) {
      await attempt(readNext);
    } else if (oldest !== undefined) {
      await finish(oldest);
    } else if (rejected && progress.stopped === undefined) {
      cursor = '0';
      passAt = context.part.at;
      rejected = false;
      restarted = true;
    } else {
      rejected = false;
      if (!closed) await attempt(write);
      return end();
    }
  }
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
