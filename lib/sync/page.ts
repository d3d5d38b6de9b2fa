import type { Address, AddressPolicy } from '../peers/address.ts';
import { type PeerRecord, parsePeerRecord } from '../peers/registry.ts';
import type { HealthRecord } from '../store/health-record.ts';
import type { Position } from '../store/part-state.ts';
import type { PartName, RawEntry } from '../store/rounds.ts';
import type { Round } from './context.ts';
import { aboutAddress, isDue, probedAt } from './health.ts';
import { fnv1a, shardOf } from './shard.ts';
import type { SkipReason } from './summary.ts';

/** One consumer of a page. */
export interface Entry {
  readonly record: PeerRecord;
  /** What is known about it at its present address. */
  readonly health: HealthRecord | undefined;
  /** Whether it was known at another address before: it moved. */
  readonly moved: boolean;
  readonly due: boolean;
}

/** A call that a page has to make, and perhaps a second one. */
interface Turn {
  readonly address: Address;
  /** Its place in the order of the pass, from 0 to 2^32. */
  readonly place: number;
}

/** The consumers of a page at one address. They cost one call, if one of them is due. */
export interface AddressGroup extends Turn {
  readonly entries: readonly Entry[];
}

/** A home that is to be looked at, see `HealthRecord.home`. */
export interface HomeVisit extends Turn {
  readonly entry: Entry;
}

/** A page of `consumers` that was read and is not yet written. */
export interface Page {
  readonly entries: readonly Entry[];
  /** Addresses with a due entry, and homes, in the order of the pass, as far as the budget reaches. */
  readonly due: readonly (AddressGroup | HomeVisit)[];
  /** Those that are due and that the budget did not reach. */
  readonly cut: readonly (AddressGroup | HomeVisit)[];
}

/** Takes note of why an entry is left out. */
type Skip = (reason: SkipReason) => void;

/**
 * The entries of a page that this part of a round has to look at, without those of the pages that are open: an entry may
 * come twice while the hash grows or shrinks.
 */
export function selectEntries(
  raw: readonly RawEntry[],
  { of, shard }: PartName,
  { policy, isOurs }: Pick<Round, 'policy' | 'isOurs'>,
  openFields: ReadonlySet<string>,
  skip: Skip,
): PeerRecord[] {
  const records = new Map<string, PeerRecord>();
  for (const { field, address: stored } of raw) {
    const parsed = parsePeerRecord(field, stored, policy);
    if ('refused' in parsed) {
      // Each shard reads every page; what belongs to none of them is counted by the first.
      if (shard === 0) skip(parsed.refused);
      continue;
    }
    const { uuid, address } = parsed.record;
    if (isOurs(uuid, address)) {
      if (shard === 0) skip('self');
    } else if (shardOf(address.key, of) === shard) {
      if (records.has(field) || openFields.has(field)) skip('repeated');
      else records.set(field, parsed.record);
    }
  }
  return [...records.values()];
}

/**
 * Plans the calls of a page: one for each address with a due entry, and one for each home, in the random order of the
 * pass. Whoever was probed since the pass began has had its turn, but its home may not. Those before the position's place
 * come last, and in its second lap not at all.
 */
export function planPage(
  records: readonly PeerRecord[],
  healths: readonly (HealthRecord | undefined)[],
  position: Position,
  { policy, time, nowMs, calls }: Pick<Round, 'policy' | 'time' | 'nowMs' | 'calls'>,
  skip: Skip,
): Page {
  const { passAt } = position;
  const entries: Entry[] = [];
  const homes: HomeVisit[] = [];
  for (const [index, record] of records.entries()) {
    const stored = healths[index];
    const health = aboutAddress(stored, record.raw, record.address, policy);
    const entry = { record, health, moved: stored !== health, due: isDue(health, time) };
    const home = homeToVisit(health, policy, nowMs());
    if (home !== undefined) homes.push({ entry, address: home, place: placeOf(home, passAt) });
    if (probedAt(health) >= Math.min(passAt, time.at)) skip('repeated');
    else entries.push(entry);
  }
  const groups = groupByAddress(entries, passAt).filter((group) => group.entries.some(({ due }) => due));
  const turns = [...groups, ...homes].sort((a, b) => a.place - b.place);
  const wanted = turns.filter(({ place }) => place >= position.after);
  const again = turns.filter(({ place }) => place < position.after);
  const inOrder = position.lap === 1 ? [...wanted, ...again] : wanted;
  const due = inOrder.slice(0, calls.take(inOrder.length));
  return { entries, due, cut: inOrder.slice(due.length) };
}

function placeOf({ key }: Address, passAt: number): number {
  return fnv1a(`${passAt} ${key}`);
}

function groupByAddress(entries: readonly Entry[], passAt: number): AddressGroup[] {
  const groups = new Map<string, { address: Address; entries: Entry[]; place: number }>();
  for (const entry of entries) {
    const { address } = entry.record;
    const group = groups.get(address.key);
    if (group !== undefined) group.entries.push(entry);
    else groups.set(address.key, { address, entries: [entry], place: placeOf(address, passAt) });
  }
  return [...groups.values()];
}

function homeToVisit(
  { home, homeDue = 0 }: Pick<HealthRecord, 'home' | 'homeDue'> = {},
  policy: AddressPolicy,
  nowMs: number,
): Address | undefined {
  if (home === undefined || homeDue > nowMs) return undefined;
  const parsed = policy.parse(home);
  return 'address' in parsed ? parsed.address : undefined;
}
