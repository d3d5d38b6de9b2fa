import type { Reply } from '../../../lib/redis/redis.ts';
import { expectKinds } from './kinds.ts';
import type { Store } from './store.ts';

const MOST = 1_000;
const MOST_OF_TEACHER = 50;
const MOST_IN_NET = 10;
const WIDTH = 5;

/** `learn`: hearsay becomes candidates, within the same bounds. */
export function learn(store: Store, keys: readonly string[], args: readonly string[]): Reply {
  const [consumers = '', health = '', candidates = ''] = keys;
  expectKinds(store, [
    [consumers, 'hash'],
    [health, 'hash'],
    [candidates, 'hash'],
  ]);
  const known = new Map<string, Fields>();
  const held = { total: 0, ofTeacher: new Map<unknown, number>(), inNet: new Map<string, number>() };
  const count = ({ from, address }: Fields, by: number) => {
    held.total += by;
    if (typeof from === 'string') add(held.ofTeacher, from, by);
    if (typeof address === 'string') add(held.inNet, netOf(address), by);
  };
  for (const [uuid, json] of store.fields(candidates)) {
    const candidate = decode(json);
    known.set(uuid, candidate);
    count(candidate, 1);
  }

  const addresses = store.fields(consumers);
  const healths = store.fields(health);
  const isWanted = (uuid: string, canonical: string) => {
    const spelling = [uuid, uuid.toUpperCase()].find((each) => addresses.has(each));
    if (spelling === undefined) return true;
    const { state, address } = decode(healths.get(spelling));
    return state === 'dead' && address !== canonical;
  };

  const learned: string[] = [];
  for (let i = 0; i + WIDTH <= args.length; i += WIDTH) {
    const [uuid = '', address = '', canonical = '', from = '', json = ''] = args.slice(i, i + WIDTH);
    const present = known.get(uuid);
    const replaces = present !== undefined && hasFailed(present) && present.address !== address;
    if ((present !== undefined && !replaces) || !isWanted(uuid, canonical)) continue;
    if (present !== undefined) count(present, -1);
    const room =
      held.total < MOST &&
      (held.ofTeacher.get(from) ?? 0) < MOST_OF_TEACHER &&
      (held.inNet.get(netOf(address)) ?? 0) < MOST_IN_NET;
    if (room) {
      const candidate = { address, from, failures: 0 };
      known.set(uuid, candidate);
      count(candidate, 1);
      learned.push(uuid, json);
    } else if (present !== undefined) {
      count(present, 1);
    }
  }
  store.setFields(candidates, learned);
  return learned.length / 2;
}

type Fields = Readonly<Record<string, unknown>>;

/** `decode` of the scripts: an object's fields without those that are null; anything else is empty. */
function decode(text: string | undefined): Fields {
  try {
    const value: unknown = JSON.parse(text ?? '');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
    return Object.fromEntries(Object.entries(value).filter(([, content]) => content !== null));
  } catch {
    return {};
  }
}

/** `(tonumber(failures) or 1) > 0`. */
function hasFailed({ failures }: Fields): boolean {
  const isNumeral = typeof failures === 'number' || (typeof failures === 'string' && failures.trim() !== '');
  const number = isNumeral ? Number(failures) : Number.NaN;
  return Number.isNaN(number) || number > 0;
}

/** The /24 of a v4 address, the /48 of a v6 one, by which candidates are bounded. Any spelling, with a port or without. */
export function netOf(address: string): string {
  const v4 = /^(\d+\.\d+\.\d+)\.\d+/.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  const ip = /^\[(.*?)\]/s.exec(address)?.[1] ?? address;
  const [, head, tail = ''] = /^(.*?)::(.*)$/s.exec(ip) ?? [];
  const groupsOf = (text: string): string[] => text.match(/[0-9a-f]+/gi) ?? [];
  const groups = groupsOf(head ?? ip);
  if (head !== undefined) {
    const after = groupsOf(tail);
    while (groups.length < 8 - after.length) groups.push('0');
    groups.push(...after);
  }
  return groups.slice(0, 3).join(':');
}

function add<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
