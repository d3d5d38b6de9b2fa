import { createHash } from 'node:crypto';
import type { Config } from '../config.ts';
import type { Host } from '../host.ts';
import type { Address } from '../peers/address.ts';
import { inAnyCidr, networkOf } from '../peers/ip-space.ts';
import type { Heard } from '../peers/reply.ts';
import type { Uuid } from '../peers/uuid.ts';
import { SLOTS } from '../store/candidates.ts';
import type { SlotClaim } from '../store/rounds.ts';
import { fnv1a } from './shard.ts';

/** Most names in all, and of one network. */
const MOST_NAMES = 10_000;
const MOST_OF_NETWORK = 50;
const SLOTS_OF_NETWORK = 16;
/** How many bits of an address name its network, where strangers tell of it. */
export const NETWORK_BITS = { 4: 24, 6: 32 } as const;
/**
 * The filter of known uuids has so many bits for each consumer, 8 KB at least and 1 MB at most. In a large network one
 * newcomer in 64 is taken for known and waits a round; in a small one nobody is, because all wait for the last pair there.
 */
const BITS_EACH = 64;
const LEAST_BITS = 2 ** 16;
const MOST_BITS = 2 ** 23;

interface Kept extends Heard {
  /** Who told: the consumer that answered the probe. */
  readonly from: Uuid;
  readonly network: string;
}

/**
 * What was heard in a round and is not known yet. Its size is bounded, whatever peers tell and however many they are.
 *
 * Candidates live in slots, as in Bitcoin's addrman (https://www.usenix.org/system/files/conference/usenixsecurity15/sec15-paper-heilman.pdf):
 * the network of a teacher reaches 16 of 1,024 slots, which only a secret of this database tells. The names of one network
 * spread over its slots, and for each slot one network is drawn at random. So a stranger who names many, or names first,
 * keeps nobody out.
 */
export function createHearsay({
  secret,
  consumers,
  random,
}: {
  /** Of this database; nobody else knows it. */
  readonly secret: string;
  /** About how many are known. */
  readonly consumers: number;
  readonly random: Host['random'];
}) {
  const bits = Math.min(MOST_BITS, Math.max(LEAST_BITS, consumers * BITS_EACH));
  /** Known to the walk so far: bits that the hashes of uuids set. */
  const known = new Uint32Array(bits / 32);
  // Another in each round, so that nobody is taken for a known one for good.
  const salt = random().toString(36).slice(2, 8);
  const bitOf = (uuid: Uuid) => fnv1a(salt + uuid) % bits;
  const isKnown = (uuid: Uuid) => {
    const bit = bitOf(uuid);
    return ((known[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  };

  let names: Kept[] = [];
  const keys = new Set<string>();
  const ofNetwork = new Map<string, number>();
  let offered = 0;
  const keyOf = ({ network, uuid, address }: Kept) => `${network} ${uuid} ${address.key}`;
  const countOf = (network: string, by: number) => {
    const count = (ofNetwork.get(network) ?? 0) + by;
    if (count === 0) ofNetwork.delete(network);
    else ofNetwork.set(network, count);
  };
  const forget = (gone: Kept) => {
    keys.delete(keyOf(gone));
    countOf(gone.network, -1);
  };

  /** Keeps it, if there is room, or else in the place of a random one with the probability that keeps the sample fair. */
  const keep = (name: Kept) => {
    const key = keyOf(name);
    if (keys.has(key) || (ofNetwork.get(name.network) ?? 0) >= MOST_OF_NETWORK) return;
    offered += 1;
    const place = names.length < MOST_NAMES ? names.length : Math.floor(random() * offered);
    if (place >= MOST_NAMES) return;
    const replaced = names[place];
    if (replaced !== undefined) forget(replaced);
    names[place] = name;
    keys.add(key);
    countOf(name.network, 1);
  };

  return {
    /** Takes note of what a peer told, except about those that are known. */
    add(told: readonly Heard[], teacher: Pick<Heard, 'uuid' | 'address'>): void {
      const unknown = told.filter(({ uuid }) => !isKnown(uuid));
      if (unknown.length === 0) return;
      const network = networkOf(teacher.address.ip, NETWORK_BITS);
      for (const named of unknown) keep({ ...named, from: teacher.uuid, network });
    },
    /** Those are in `consumers`, and not dead: nobody needs to tell us of them. */
    know(uuids: Iterable<Uuid>): void {
      for (const uuid of uuids) {
        const bit = bitOf(uuid);
        known[bit >>> 5] = (known[bit >>> 5] ?? 0) | (1 << (bit & 31));
      }
      if (names.length === 0) return;
      const left: Kept[] = [];
      for (const name of names) {
        if (isKnown(name.uuid)) forget(name);
        else left.push(name);
      }
      names = left;
    },
    /** One claim for each slot that something was named for. */
    claims(at: number): SlotClaim[] {
      const bySlot = new Map<number, Kept[]>();
      const takenBy = new Map<string, Set<number>>();
      for (const name of shuffled(names, random)) {
        const taken = takenBy.get(name.network) ?? new Set();
        takenBy.set(name.network, taken);
        const slot = slotsFor(secret, name).find((each) => !taken.has(each));
        if (slot === undefined) continue;
        taken.add(slot);
        bySlot.set(slot, [...(bySlot.get(slot) ?? []), name]);
      }
      return [...bySlot].flatMap(([slot, ofNetworks]) => {
        const name = ofNetworks[Math.floor(random() * ofNetworks.length)];
        return name === undefined ? [] : [{ slot, uuid: name.uuid, address: name.raw, from: name.from, at }];
      });
    },
  };
}

/**
 * The 16 slots that a network reaches, in the order in which a name tries them. Each uuid at an address begins at a slot
 * of its own, so that names of one network do not displace each other.
 */
function slotsFor(secret: string, { network, uuid, address }: Kept): number[] {
  const reached = createHash('sha256').update(`${secret} ${network}`).digest();
  const first = fnv1a(`${secret} ${uuid} ${address.key}`);
  return Array.from(
    { length: SLOTS_OF_NETWORK },
    (_, i) => reached.readUInt16BE(2 * ((first + i) % SLOTS_OF_NETWORK)) % SLOTS,
  );
}

/** The same items in random order (Fisher-Yates). */
export function shuffled<Item>(items: readonly Item[], random: Host['random']): Item[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [mixed[i], mixed[j]];
    if (a !== undefined && b !== undefined) [mixed[i], mixed[j]] = [b, a];
  }
  return mixed;
}

/**
 * Whether hearsay may name an address: with `PEER_PORT` only, or one host with many ports would be many consumers. An
 * operator who opened a range trusts it.
 */
export function mayBeNamed({ ip, port }: Address, peers: Config['peers']): boolean {
  return port === peers.port || inAnyCidr(ip, peers.allowCidrs);
}
