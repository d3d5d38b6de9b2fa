import { type Epoch, parseEpoch, type Register } from '../../lib/ip/register.ts';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';
import { type Answered, entriesOf, wholeOf } from '../../lib/store/replies.ts';
import { visible } from '../text/escape.ts';

/** One change of our address. */
export interface Change {
  /** Absent for the first address ever. */
  readonly from?: Ip;
  readonly to: Ip;
  readonly epoch: Epoch;
  /** When it was committed. */
  readonly at: number;
  /** Whether it was the operator's word. */
  readonly manual: boolean;
  /** Which source said what, in printable ASCII. */
  readonly votes: readonly (readonly [source: string, answer: string])[];
  /** When a check last confirmed the address before. */
  readonly verifiedAt?: number;
  /** How the telling of producers went, as far as it is known. */
  readonly telling?: Telling;
}

/** A return to a former address that damping made wait; told once a day at most. */
export interface WaitingReturn {
  readonly to: Ip;
  readonly current?: Ip;
  readonly at: number;
}

/** How producers were told of one change. */
export interface Telling {
  readonly told: number;
  /** How many producers were to be told; version 1 did not keep it. */
  readonly of?: number;
  /** When the first and the last of them acknowledged; absent while none has. */
  readonly firstAck?: number;
  readonly lastAck?: number;
}

const MOST_VOTES = 30;
const LONGEST_JSON = 10_000;

/**
 * Reads the reply to XREVRANGE of `ip:history`: the newest change first. Of changes in a row that say the same, which a
 * commit that died half-way and was repeated leaves, the last counts. `current` is how the telling of the newest goes,
 * which the register knows: of each older one the next change keeps it (version 1: an entry of its own). Never throws.
 */
export function readChanges(reply: Answered, current?: Telling & { readonly epoch: Epoch }): Change[] {
  const tellings = new Map<number, Telling>(current === undefined ? [] : [[current.epoch, current]]);
  const changes: Change[] = [];
  let newer: Change | undefined;
  /** What the change after the one that comes next keeps about it. */
  let kept: Telling | undefined;
  for (const fields of entriesOf(reply)) {
    const epoch = parseEpoch(fields.get('epoch'));
    if (epoch === undefined) continue;
    const telling = readTelling(fields);
    const change = readChange(fields, epoch);
    if (change === undefined) {
      if (telling !== undefined && !tellings.has(epoch)) tellings.set(epoch, telling);
      newer = undefined;
      continue;
    }
    const repeated =
      newer?.from === change.from && newer?.to === change.to && !newer?.manual && !change.manual;
    newer = change;
    if (repeated) {
      kept = telling ?? kept;
      continue;
    }
    if (kept !== undefined && !tellings.has(epoch)) tellings.set(epoch, kept);
    kept = telling;
    changes.push(change);
  }
  return changes.map((change) => {
    const telling = tellings.get(change.epoch);
    return telling === undefined ? change : { ...change, telling };
  });
}

/** The entries of `ip:history` about returns that waited, the newest first. Never throws. */
export function readWaitingReturns(reply: Answered): WaitingReturn[] {
  return entriesOf(reply).flatMap((fields) => {
    const to = parseIp(fields.get('damped'));
    const current = parseIp(fields.get('current'));
    const at = wholeOf(fields.get('at'));
    if (to === undefined || at === undefined) return [];
    return [{ to, at, ...(current === undefined ? {} : { current }) }];
  });
}

/** How far the telling of the current address is; undefined where version 1 wrote the register. */
export function currentTelling(
  { epoch, told, firstAck, lastAck }: Pick<Register, 'epoch' | 'told' | 'firstAck' | 'lastAck'>,
  of: number,
): (Telling & { epoch: Epoch }) | undefined {
  if (epoch === undefined || told === undefined) return undefined;
  return {
    epoch,
    told,
    of,
    ...(firstAck === undefined ? {} : { firstAck }),
    ...(lastAck === undefined ? {} : { lastAck }),
  };
}

function readTelling(fields: ReadonlyMap<string, string>): Telling | undefined {
  const [told, of, firstAck, lastAck] = ['told', 'of', 'firstAck', 'lastAck'].map((name) =>
    wholeOf(fields.get(name)),
  );
  if (told === undefined) return undefined;
  return {
    told,
    ...(of === undefined ? {} : { of }),
    ...(firstAck === undefined ? {} : { firstAck }),
    ...(lastAck === undefined ? {} : { lastAck }),
  };
}

function readChange(fields: ReadonlyMap<string, string>, epoch: Epoch): Change | undefined {
  const to = parseIp(fields.get('to'));
  const at = wholeOf(fields.get('at'));
  const from = parseIp(fields.get('from'));
  const verifiedAt = wholeOf(fields.get('verifiedAt'));
  if (to === undefined || at === undefined) return undefined;
  return {
    ...(from === undefined ? {} : { from }),
    to,
    epoch,
    at,
    manual: fields.get('source') === 'manual',
    votes: readVotes(fields.get('votes')),
    ...(verifiedAt === undefined ? {} : { verifiedAt }),
  };
}

function readVotes(json: string | undefined): [string, string][] {
  if (json === undefined || json.length > LONGEST_JSON) return [];
  try {
    const votes: unknown = JSON.parse(json);
    if (typeof votes !== 'object' || votes === null || Array.isArray(votes)) return [];
    return Object.entries(votes)
      .slice(0, MOST_VOTES)
      .map(([source, answer]) => [visible(source), visible(String(answer), 45)]);
  } catch {
    return [];
  }
}
