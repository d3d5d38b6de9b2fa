import { parseIp } from '../../lib/peers/ip-space.ts';
import type { Uuid } from '../../lib/peers/uuid.ts';
import type { HealthRecord } from '../../lib/store/health-record.ts';
import type { Random } from '../chaos/random.ts';
import { nobodysAddress, randomUuid } from './address-space.ts';
import type { Gossip } from './options.ts';
import { createDatabase, type Database } from './store/memory.ts';

/** Of those it knows, as many does a consumer tell in one reply; a caller reads no more. */
const MOST_TOLD = 50;
/** Of what a poisoner tells, as much lies in one network, against the bound on those. */
const POISON_IN_ONE_NET = 15;

/** One consumer of the simulated network: its Redis, and its consumer API. Its scheduler is the production code. */
export interface Member {
  readonly index: number;
  readonly uuid: Uuid;
  readonly poisons: boolean;
  readonly joinedMs: number;
  /** Its present address, without a port, and all that it has had. */
  readonly ip: string;
  readonly had: ReadonlySet<string>;
  /** When it left for good. */
  readonly goneMs: number | undefined;
  /** What its Redis holds. */
  readonly database: Database;
  /** The consumer API gets to know somebody: by a call of theirs, or by its operator. */
  meet(uuid: Uuid, ip: string): void;
  /** The consumer API answers `/sync`, which it gets from a member at an address. */
  answer(from: Member): Buffer;
  moveTo(ip: string): void;
  leave(nowMs: number): void;
}

export interface MemberOptions {
  readonly index: number;
  readonly uuid: Uuid;
  readonly ip: string;
  readonly poisons: boolean;
  /** Whether its API tells of others, and whether it tells its scheduler who called. */
  readonly gossip: Gossip;
  readonly tellsCalled: boolean;
  readonly random: Random;
  readonly nowMs: () => number;
  /** An entry of its `consumers`, or a health record, is written. */
  readonly onConsumer: (member: Member, uuid: string, ip: string, before: string | undefined) => void;
  readonly onHealth: (
    member: Member,
    uuid: string,
    record: HealthRecord,
    before: HealthRecord | undefined,
  ) => void;
}

export function createMember({
  index,
  uuid,
  ip,
  poisons,
  gossip,
  tellsCalled,
  random,
  nowMs,
  onConsumer,
  onHealth,
}: MemberOptions): Member {
  const told = createTold(uuid, random);
  const database = createDatabase(nowMs, {
    consumer(other, at, before) {
      told.note(other, at);
      onConsumer(member, other, at, before);
    },
    health: (other, record, before) => onHealth(member, other, record, before),
  });
  const present = { ip, goneMs: undefined as number | undefined };
  const had = new Set([ip]);
  const silent = Buffer.from(JSON.stringify({ uuid }));
  const meet = (other: Uuid, at: string) => {
    if (other !== uuid && database.consumers.get(other) !== at) database.setConsumer(other, at);
  };
  const member: Member = {
    index,
    uuid,
    poisons,
    joinedMs: nowMs(),
    get ip() {
      return present.ip;
    },
    had,
    get goneMs() {
      return present.goneMs;
    },
    database,
    meet,
    answer(from) {
      const health = database.health.get(from.uuid);
      if (tellsCalled && health !== undefined && health.state !== 'alive') database.called.add(from.uuid);
      meet(from.uuid, from.ip);
      if (poisons) return told.lies();
      if (gossip === 'on') return told.some();
      if (gossip === 'off') return silent;
      const consumers = database.reply.filter((each) => each.uuid !== from.uuid);
      return Buffer.from(JSON.stringify({ uuid, consumers }));
    },
    moveTo(next) {
      database.ownIp = parseIp(next);
      present.ip = next;
      had.add(next);
    },
    leave(atMs) {
      present.goneMs = atMs;
    },
  };
  database.ownIp = parseIp(ip);
  return member;
}

/** What a consumer tells of others. Entries are kept as JSON: a million replies a round are made of them. */
function createTold(uuid: Uuid, random: Random) {
  const entries: string[] = [];
  const known: { readonly uuid: string; readonly ip: string }[] = [];
  const places = new Map<string, number>();
  const reply = (consumers: readonly string[]) =>
    Buffer.from(`{"uuid":"${uuid}","consumers":[${consumers.join(',')}]}`);

  const draw = () => {
    if (entries.length <= MOST_TOLD) return entries;
    const drawn = new Set<number>();
    while (drawn.size < MOST_TOLD) drawn.add(random.between(0, entries.length - 1));
    return Array.from(drawn, (place) => entries[place] ?? '');
  };

  return {
    note(other: string, ip: string): void {
      const place = places.get(other) ?? entries.length;
      places.set(other, place);
      entries[place] = entryOf(other, ip);
      known[place] = { uuid: other, ip };
    },
    /** 50 of those it knows. */
    some: () => reply(draw()),
    /** 50 that are false, and others each time: invented uuids, and those of others where these are not. */
    lies: () => reply(Array.from({ length: MOST_TOLD }, (_, i) => lie(i, known, random))),
  };
}

function lie(i: number, known: readonly { uuid: string; ip: string }[], random: Random): string {
  const anybody = () => known[random.between(0, known.length - 1)];
  const uuid = random.chance(0.5) ? anybody()?.uuid : undefined;
  const victim = random.chance(0.2) ? anybody() : undefined;
  const elsewhere = () => nobodysAddress(random, i < POISON_IN_ONE_NET ? random.between(0, 3) : undefined);
  const ip = victim === undefined || victim.uuid === uuid ? elsewhere() : victim.ip;
  return entryOf(uuid ?? randomUuid(random), ip);
}

function entryOf(uuid: string, ip: string): string {
  return `{"uuid":"${uuid}","ip":"${ip}"}`;
}
