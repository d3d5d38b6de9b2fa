import { RedisReplyError } from '../errors.ts';
import { type PartState, type Position, pageAt } from '../store/part-state.ts';
import type { PageWrite } from '../store/rounds.ts';
import type { Round } from './context.ts';
import { type Judged, judgePage, type PageProbes } from './judge.ts';
import { type HomeVisit, type Page, planPage, selectEntries } from './page.ts';
import { probeGroup } from './probe.ts';
import { increment, type SkipReason } from './summary.ts';

/** How many consumers a page of one shard has, more or less. */
const PAGE_SIZE = 2_000;
/** Pages that are read and not yet written: the oldest, and two that keep the calls going while it is written. */
const MOST_OPEN_PAGES = 3;

/** How a walk ended. */
export interface Walked {
  /** Whether it has reached the last page, and everybody in between has had its turn. */
  readonly complete: boolean;
  /** What is not written yet: it belongs into the write that ends the round. Undefined if nothing may be written any more. */
  readonly rest: Pick<PageWrite, 'health' | 'state'> | undefined;
  /** What reading or writing a page threw. */
  readonly failure?: unknown;
}

interface OpenPage {
  readonly page: Page;
  /** Where it begins; undefined for a page that is no part of the walk. */
  readonly position?: Position;
  /** Where a walk that has finished it goes on. */
  readonly next: Position | undefined;
  /** Never rejects. */
  readonly probing: Promise<PageProbes | { readonly failure: unknown }>;
}

/**
 * Walks the pages from a position on: the next ones are read while one is probed, and they are written in order, each
 * with the position of the oldest that is not finished. `first` is a page that is probed before.
 *
 * Everything that it started has ended when this resolves. It does not throw: a failure stops the walk, and what was
 * probed until then is written if possible.
 */
export async function walkPages(start: Position, first: Page | undefined, round: Round): Promise<Walked> {
  const { calls, store, part } = round;
  const open: OpenPage[] = [];
  let position: Position | undefined = start;
  let unfinished: Position | undefined;
  let restarted = false;
  let failure: unknown;
  let waiting: Pick<PageWrite, 'health' | 'state'> | undefined = {
    health: [],
    state: stateAt(start, round),
  };

  const fail = (error: unknown) => {
    failure ??= error;
    calls.stop('error');
  };
  /** Writes the page that waits. The last one waits for the end of the round, which is then one command. */
  const writeWaiting = async () => {
    if (waiting === undefined || waiting.health.length === 0) return;
    try {
      const written = await store.writePage({ part, nowMs: round.nowMs(), ...waiting });
      if (written !== 'lease-lost') return;
      calls.stop('lease');
    } catch (error) {
      fail(error);
    }
    // After a failed write nothing is written any more: not behind it, and not page by page while Redis is away.
    waiting = undefined;
  };
  const finish = async ({ page, position: from, next, probing }: OpenPage) => {
    const probes = await probing;
    let judged: Judged = { health: [], outage: false };
    if ('failure' in probes) fail(probes.failure);
    else judged = await judgePage(page, probes, round);
    if (from !== undefined) unfinished ??= 'failure' in probes ? from : restOf(from, page, probes);
    if (judged.outage) calls.stop('outage');
    await writeWaiting();
    if (round.lease.lost) calls.stop('lease');
    if (waiting !== undefined && !round.lease.lost)
      waiting = { health: judged.health, state: stateAt(unfinished ?? next, round) };
  };

  if (first !== undefined) open.push({ page: first, next: start, probing: startProbes(first, round) });
  for (;;) {
    if (
      position !== undefined &&
      open.length < MOST_OPEN_PAGES &&
      calls.left > 0 &&
      (await calls.mayGoOn())
    ) {
      try {
        const read = await readPage(position, open, round);
        if (read !== 'rejected') {
          open.push(read);
          position = read.next;
        } else if (restarted) {
          throw new RedisReplyError('ERR invalid cursor: Redis rejected a cursor that it had just given');
        } else {
          restarted = true;
          position = pageAt('0', part.at);
        }
      } catch (error) {
        fail(error);
      }
      continue;
    }
    const oldest = open.shift();
    if (oldest === undefined) break;
    await finish(oldest);
  }
  const complete = position === undefined && unfinished === undefined && failure === undefined;
  if (!complete) calls.stop('budget');
  return {
    complete,
    rest: round.lease.lost ? undefined : waiting,
    ...(failure === undefined ? {} : { failure }),
  };
}

function stateAt(position: Position | undefined, { witness, findings }: Round): PartState {
  return {
    ...(position === undefined ? {} : { position }),
    ...witness.state,
    outage: findings.tally.inconclusive,
  };
}

/** Reads the next page and starts its calls. */
async function readPage(
  position: Position,
  open: readonly OpenPage[],
  round: Round,
): Promise<OpenPage | 'rejected'> {
  const { store, part, policy, isOurs, findings, calls, time } = round;
  const scanned = await store.scanConsumers(position.cursor, PAGE_SIZE * part.of);
  if (scanned === 'rejected') return 'rejected';
  const skip = (reason: SkipReason) => increment(findings.tally.skipped, reason);
  const openFields = new Set(open.flatMap(({ page }) => page.entries.map(({ record }) => record.field)));
  const records = selectEntries(scanned.entries, { policy, ...part, isOurs, openFields, skip });
  const healths = await store.readHealth(records.map(({ field }) => field));
  const page = planPage(records, healths, {
    policy,
    position,
    time,
    nowMs: round.nowMs(),
    take: calls.take,
    skip,
  });
  findings.tally.pages += 1;
  findings.hearsay.know(
    page.entries.flatMap(({ record, health }) => (health?.state === 'dead' ? [] : [record.uuid])),
  );
  const next = scanned.next === '0' ? undefined : pageAt(scanned.next, position.passAt);
  return { page, position, next, probing: startProbes(page, round) };
}

function startProbes(page: Page, round: Round): OpenPage['probing'] {
  const homes = page.homes.map(async (visit) => ({ visit, isHome: await isAtHome(visit, round) }));
  return Promise.all([
    Promise.all(page.due.map((group) => probeGroup(group, round))),
    Promise.all(homes),
  ]).then(
    ([probed, visited]) => ({ probed, homes: visited }),
    (failure: unknown) => ({ failure }),
  );
}

/** Whether the consumer answers where it was before it moved by hearsay. Undefined if it could not be asked. */
async function isAtHome({ entry, address }: HomeVisit, round: Round): Promise<boolean | undefined> {
  const { answer } = await round.calls.probe(address);
  if (answer.kind === 'untried') return undefined;
  round.findings.tally.probes += 1;
  return answer.kind === 'answered' && answer.reply.names === entry.record.uuid;
}

/** Where a later round goes on with a page: at the first one that has not had its turn. Undefined if all have. */
function restOf(from: Position, { cut }: Page, { probed }: PageProbes): Position | undefined {
  const untried = probed.filter(({ first }) => first.kind === 'untried' && !first.local);
  const places = [...cut, ...untried.map(({ group }) => group)].map(({ place }) => place);
  const ahead = places.filter((place) => place >= from.after);
  if (ahead.length > 0) return { ...from, after: Math.min(...ahead) };
  return places.length > 0 ? { ...from, after: 0, lap: 2 } : undefined;
}
