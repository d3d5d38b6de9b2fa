import { type Epoch, parseEpoch } from '../../lib/ip/register.ts';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';
import { visible } from '../text/escape.ts';
import { type Answered, entriesOf, wholeOf } from './fields.ts';

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
  /** Once nobody was due any more: how many producers had acknowledged, the first and the last when. */
  readonly delivered?: { readonly told: number; readonly firstAck: number; readonly lastAck: number };
}

const MOST_VOTES = 30;
const LONGEST_JSON = 10_000;

/**
 * Reads the reply to XREVRANGE of `ip:history`: the newest change first. Of changes in a row that say the same, which a
 * commit that died half-way and was repeated leaves, the last counts. Never throws.
 */
export function readChanges(reply: Answered): Change[] {
  const delivered = new Map<number, NonNullable<Change['delivered']>>();
  const changes: Change[] = [];
  let newer: Change | undefined;
  for (const fields of entriesOf(reply)) {
    const epoch = parseEpoch(fields.get('epoch'));
    if (epoch === undefined) continue;
    const [told, firstAck, lastAck] = ['told', 'firstAck', 'lastAck'].map((name) =>
      wholeOf(fields.get(name)),
    );
    if (told !== undefined && firstAck !== undefined && lastAck !== undefined) {
      if (!delivered.has(epoch)) delivered.set(epoch, { told, firstAck, lastAck });
      newer = undefined;
      continue;
    }
    const change = readChange(fields, epoch);
    if (change === undefined) continue;
    const repeated =
      newer?.from === change.from && newer?.to === change.to && !newer?.manual && !change.manual;
    newer = change;
    if (!repeated) changes.push(change);
  }
  return changes.map((change) => {
    const how = delivered.get(change.epoch);
    return how === undefined ? change : { ...change, delivered: how };
  });
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
