import type { AppParts } from '../lib/app.ts';
import { decodeDelivery } from '../lib/store/delivery-record.ts';
import { countOf, orThrow, scanPages } from '../lib/store/replies.ts';
import { CHEAP_MEMBERS } from '../report/peers/read-peers.ts';
import { begin } from '../report/read/begin.ts';
import { type Change, currentTelling, readChanges, readWaitingReturns } from '../report/read/changes.ts';
import { plural } from '../report/text/count.ts';
import { duration, relative, stamp } from '../report/text/time.ts';
import { firstToldWords, tellingWords } from '../report/words.ts';
import { type Context, withParts } from './context.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { uuidCell } from './peers/list.ts';
import { LABEL_WIDTH, type Screen } from './text/screen.ts';

const DEFAULT_CHANGES = 5;
/** Producers shown for a change: those that took longest. */
const SLOWEST = 5;

/** How long one producer took to acknowledge a change. */
interface Took {
  readonly uuid: string;
  readonly ms: number;
}

/** Of the producers whose last acknowledgement was of this change: how many, and the slowest. */
interface Acknowledged {
  count: number;
  slowest: Took[];
}

/**
 * `p2p history`: the last changes of the address, who voted what, and how long producers took to acknowledge. A producer's
 * record keeps its last acknowledgement, so only the latest change has them all; of older ones their sum is kept.
 */
export function history(context: Context): Promise<ExitCode> {
  const { args, screen } = context;
  const limit = args.whole('limit', { fallback: DEFAULT_CHANGES, min: 1 });
  return withParts(context, async (parts) => {
    const { keys } = parts;
    // Two entries a change, and some that repeat one.
    const { nowMs, register, rest } = await begin(parts, [
      ['XREVRANGE', keys.ipHistory, '+', '-', 'COUNT', 3 * limit + 3],
      ['HLEN', keys.deliveries],
      ['HLEN', keys.producers],
    ]);
    const current = currentTelling(register, countOf(orThrow(rest[2])));
    const changes = readChanges(orThrow(rest[0]), current).slice(0, limit);
    const waiting = readWaitingReturns(orThrow(rest[0]));
    const records = countOf(orThrow(rest[1]));
    const read = changes.length > 0 && (records <= CHEAP_MEMBERS || args.flag('all'));
    const times = read ? await readTimes(changes, parts) : undefined;
    if (args.flag('json')) {
      screen.json({
        at: nowMs,
        changes: changes.map((change) => ({
          ...change,
          votes: Object.fromEntries(change.votes),
          ...(times === undefined ? {} : { producers: times.get(change.epoch) ?? { count: 0, slowest: [] } }),
        })),
        waitingReturns: waiting,
      });
      return EXIT.ok;
    }
    if (changes.length === 0) screen.text('The address has not changed yet: there has been none.');
    for (const [i, change] of changes.entries()) {
      if (i > 0) screen.line();
      showChange(screen, change, { nowMs, wide: args.flag('wide'), acknowledged: times?.get(change.epoch) });
    }
    for (const [i, { to, current: kept, at }] of waiting.entries()) {
      if (i === 0) screen.line();
      screen.text(
        `${stamp(at)} (${relative(at, nowMs)}): the address went to and fro, so its return to ${to} waited${kept === undefined ? '' : ` and ${kept} stayed`}.`,
      );
    }
    if (changes.length > 0 && !read) {
      screen.line();
      screen.text(`${plural(records, 'record')} of producers were not read; --all reads them.`, 'dim');
    }
    return EXIT.ok;
  });
}

/** Reads every delivery once, page by page, and keeps a count and the slowest of each change. */
async function readTimes(
  changes: readonly Change[],
  { redis, keys }: AppParts,
): Promise<ReadonlyMap<number, Acknowledged>> {
  const times = new Map<number, Acknowledged>();
  const committed = new Map<number, number>(changes.map(({ epoch, at }) => [epoch, at]));
  for await (const page of scanPages(redis, { command: 'HSCAN', key: keys.deliveries })) {
    for (const [uuid, json] of page) {
      const { ackedEpoch, ackedAt } = decodeDelivery(json);
      const at = ackedEpoch === undefined ? undefined : committed.get(ackedEpoch);
      if (ackedEpoch === undefined || ackedAt === undefined || at === undefined) continue;
      const found = times.get(ackedEpoch) ?? { count: 0, slowest: [] };
      times.set(ackedEpoch, found);
      found.count += 1;
      if (found.slowest.some((took) => took.uuid === uuid)) continue;
      found.slowest.push({ uuid, ms: Math.max(0, ackedAt - at) });
      found.slowest.sort((a, b) => b.ms - a.ms);
      found.slowest.length = Math.min(found.slowest.length, SLOWEST);
    }
  }
  return times;
}

function showChange(
  screen: Screen,
  { from, to, epoch, at, manual, votes, verifiedAt, telling }: Change,
  { nowMs, wide, acknowledged }: { nowMs: number; wide: boolean; acknowledged: Acknowledged | undefined },
): void {
  screen.line([`${from ?? 'nothing'} -> ${to}`, 'strong']);
  screen.entry('  when', `${stamp(at)} (${relative(at, nowMs)}), epoch ${epoch}`);
  if (verifiedAt !== undefined && verifiedAt <= at) {
    screen.entry('  noticed', `within ${duration(at - verifiedAt)}: the old address was last confirmed then`);
  }
  if (manual) screen.entry('  decided', "by the operator's word");
  for (const [i, [source, answer]] of manual ? [] : votes.entries()) {
    screen.entry(i === 0 ? '  votes' : '', `${source}: ${answer}`);
  }
  screen.entry('  told', [tellingWords(telling, at), firstToldWords(telling, at)].filter(Boolean).join(', '));
  if (acknowledged === undefined) return;
  for (const { uuid, ms } of acknowledged.slowest) {
    screen.line(' '.repeat(LABEL_WIDTH), uuidCell(uuid, wide), `  took ${duration(ms)}`);
  }
  if (acknowledged.count > acknowledged.slowest.length) {
    screen.entry(
      '',
      `and ${plural(acknowledged.count - acknowledged.slowest.length, 'other')} in less`,
      'dim',
    );
  }
}
