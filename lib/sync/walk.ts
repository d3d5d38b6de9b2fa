import { RedisReplyError } from '../errors.ts';
import { type PartState, type Position, pageAt } from '../store/part-state.ts';
import type { PageWrite } from '../store/rounds.ts';
import type { Round } from './context.ts';
import { type Judged, judgePage, type PageProbes, type Visited } from './judge.ts';
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
}

interface OpenPage {
  readonly page: Page;
  /** Where it begins. */
  readonly position: Position;
  /** Where a walk that has finished it goes on. */
  readonly next: Position | undefined;
  /** Never rejects. Undefined if the calls could not be made. */
  readonly probing: Promise<PageProbes | undefined>;
}

/**
 * Walks the pages from a position on: the next ones are read while one is probed, and they are written in order, each
 * with the position of the oldest that is not finished.
 *
 * Everything that it started has ended when this resolves. A failure stops the walk, and what was probed until then is
 * written if possible.
 */
export async function walkPages(start: Position, round: Round): Promise<Walked> {
  const { calls, part } = round;
  const open: OpenPage[] = [];
  let position: Position | undefined = start;
  let unfinished: Position | undefined;
  let restarted = false;
  let outage = false;
  let waiting: Pick<PageWrite, 'health' | 'state'> | undefined = {
    health: [],
    state: stateAt(start, round),
  };

  /** Writes the page that waits. The last one waits for the end of the round, which is then one command. */
  const writeWaiting = async () => {
    if (waiting === undefined || waiting.health.length === 0) return;
    const written = await round.write(waiting);
    // After a failed write nothing is written any more: not behind it, and not page by page while Redis is away.
    if (typeof written === 'string') waiting = undefined;
  };
  const finish = async ({ page, position: from, next, probing }: OpenPage) => {
    const probes = await probing;
    const judged: Judged =
      probes === undefined ? { health: [], outage: false } : await judgePage(page, probes, round);
    unfinished ??= probes === undefined ? from : restOf(from, page, probes);
    outage ||= judged.outage;
    if (outage) calls.stop('outage');
    await writeWaiting();
    if (round.lease.lost) calls.stop('lease');
    if (waiting !== undefined && !round.lease.lost)
      waiting = { health: judged.health, state: stateAt(unfinished ?? next, round) };
  };

  for (;;) {
    if (
      position !== undefined &&
      open.length < MOST_OPEN_PAGES &&
      calls.left > 0 &&
      (await calls.mayGoOn())
    ) {
      const from = position;
      const read = await round.attempt(async () => {
        const page = await readPage(from, open, round);
        if (page === 'rejected' && restarted)
          throw new RedisReplyError('ERR invalid cursor: Redis rejected a cursor that it had just given');
        return page;
      }, 'failed');
      if (read === 'rejected') {
        restarted = true;
        position = pageAt('0', part.at);
      } else if (read !== 'failed') {
        open.push(read);
        position = read.next;
        if (position === undefined) calls.allPlanned();
      }
      continue;
    }
    const oldest = open.shift();
    if (oldest === undefined) break;
    await finish(oldest);
  }
  const complete =
    position === undefined && unfinished === undefined && !outage && round.failures.length === 0;
  if (!complete) calls.stop('budget');
  return { complete, rest: round.lease.lost ? undefined : waiting };
}

function stateAt(position: Position | undefined, { witness, findings, former }: Round): PartState {
  return {
    ...(position === undefined ? {} : { position }),
    ...witness.state,
    outage: findings.tally.inconclusive,
    worst: former.worst,
  };
}

/** Reads the next page and starts its calls. */
async function readPage(
  position: Position,
  open: readonly OpenPage[],
  round: Round,
): Promise<OpenPage | 'rejected'> {
  const { store, part, findings } = round;
  const scanned = await store.scanConsumers(position.cursor, PAGE_SIZE * part.of);
  if (scanned === 'rejected') return 'rejected';
  const skip = (reason: SkipReason) => increment(findings.tally.skipped, reason);
  const openFields = new Set(open.flatMap(({ page }) => page.entries.map(({ record }) => record.field)));
  const records = selectEntries(scanned.entries, part, round, openFields, skip);
  const healths = await store.readHealth(records.map(({ field }) => field));
  const page = planPage(records, healths, position, round, skip);
  findings.tally.pages += 1;
  findings.hearsay.know(
    page.entries.flatMap(({ record, health }) => (health?.state === 'dead' ? [] : [record.uuid])),
  );
  const next = scanned.next === '0' ? undefined : pageAt(scanned.next, position.passAt);
  return { page, position, next, probing: startProbes(page, round) };
}

function startProbes(page: Page, round: Round): OpenPage['probing'] {
  return round.attempt(async () => {
    const calls = page.due.map((turn) =>
      'entries' in turn ? probeGroup(turn, round) : visitHome(turn, round),
    );
    const made = await Promise.all(calls);
    return {
      probed: made.filter((each) => 'group' in each),
      homes: made.filter((each) => 'visit' in each),
    };
  }, undefined);
}

/** Calls a consumer where it was before it moved by hearsay. */
async function visitHome(visit: HomeVisit, { calls, findings }: Round): Promise<Visited> {
  const { answer } = await calls.probe(visit.address);
  if (answer.kind !== 'untried') findings.tally.probes += 1;
  return { visit, answer };
}

/** Where a later round goes on with a page: at the first one that has not had its turn. Undefined if all have. */
function restOf(from: Position, { cut }: Page, { probed, homes }: PageProbes): Position | undefined {
  const made = [
    ...probed.map(({ group, first }) => ({ turn: group, answer: first })),
    ...homes.map(({ visit, answer }) => ({ turn: visit, answer })),
  ];
  const untried = made.filter(({ answer }) => answer.kind === 'untried' && !answer.local);
  const places = [...cut, ...untried.map(({ turn }) => turn)].map(({ place }) => place);
  const ahead = places.filter((place) => place >= from.after);
  if (ahead.length > 0) return { ...from, after: Math.min(...ahead) };
  return places.length > 0 ? { ...from, after: 0, lap: 2 } : undefined;
}
