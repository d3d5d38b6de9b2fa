import type { Host } from '../../../lib/host.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import type { Uuid } from '../../../lib/peers/uuid.ts';
import { candidateOf, DROPPED_AFTER_FAILURES, encodeCandidate } from '../../../lib/store/candidates.ts';
import type { HealthRecord } from '../../../lib/store/health-record.ts';
import { keepLease, LEASE_MS } from '../../../lib/store/lease.ts';
import { afterLastProbe } from '../../../lib/store/open-round.ts';
import { NO_STATE, type PartState } from '../../../lib/store/part-state.ts';
import type {
  Candidate,
  Discovery,
  OpenRequest,
  PageWrite,
  RoundStore,
  SettledCandidates,
} from '../../../lib/store/rounds.ts';
import { fnv1a } from '../../../lib/sync/shard.ts';

/** What a round keeps, in memory: the data of one consumer's Redis, as records. */
export interface Database {
  /** uuid → address, as the consumer API has them. */
  readonly consumers: ReadonlyMap<string, string>;
  readonly health: ReadonlyMap<string, HealthRecord>;
  readonly candidates: ReadonlyMap<number, Candidate>;
  readonly called: Set<Uuid>;
  readonly summaries: readonly PageWrite['end'][];
  /** What the API may answer to `/sync`. */
  readonly reply: NonNullable<NonNullable<PageWrite['end']>['reply']>;
  ownIp: Ip | undefined;
  /** Where parts of a round stand, by `<shard>/<of>`. */
  readonly states: Map<string, PartState>;
  setConsumer(uuid: string, address: string): void;
  removeConsumer(uuid: string): void;
  /** Makes the store of one invocation. */
  openStore(host: Host): RoundStore;
}

/** Told of each entry of `consumers` and each health record that is written, with what stood there before. */
export interface OnWrite {
  consumer?(uuid: string, address: string, before: string | undefined): void;
  health?(uuid: string, record: HealthRecord, before: HealthRecord | undefined): void;
}

/** Cursors go through the 32-bit space of `fnv1a`, so that what is there from begin to end of a scan is met once. */
const CURSOR_SPACE = 2 ** 32;
const CLEANED_AT_ONCE = 1_000;
const MOST_SUMMARIES = 500;

export function createDatabase(nowMs: () => number, onWrite: OnWrite = {}): Database {
  const consumers = new Map<string, string>();
  const health = new Map<string, HealthRecord>();
  const candidates = new Map<number, Candidate>();
  const states = new Map<string, PartState>();
  const called = new Set<Uuid>();
  const leases = new Map<number, { token: object; untilMs: number }>();
  const summaries: PageWrite['end'][] = [];
  let reply: Database['reply'] = [];
  let probedMs = 0;
  let cleaned = '0';

  const setConsumer = (uuid: string, address: string) => {
    const before = consumers.get(uuid);
    consumers.set(uuid, address);
    onWrite.consumer?.(uuid, address, before);
  };
  const setHealth = (uuid: string, record: HealthRecord) => {
    const before = health.get(uuid);
    health.set(uuid, record);
    onWrite.health?.(uuid, record, before);
  };
  const spellings = (uuid: string) => [uuid, uuid.toUpperCase()];

  const settle = (changes: readonly Discovery[]): SettledCandidates => {
    const [promoted, moved]: [string[], string[]] = [[], []];
    for (const change of changes) {
      if ('candidate' in change) {
        const { candidate } = change;
        if (candidates.get(candidate.slot)?.stored !== candidate.stored) continue;
        const failures = candidate.failures + 1;
        if (change.kind === 'failed' && failures < DROPPED_AFTER_FAILURES) {
          candidates.set(candidate.slot, withStored({ ...candidate, failures }, change.at));
        } else {
          candidates.delete(candidate.slot);
        }
      }
      if (change.kind === 'promote') {
        const { uuid } = change.candidate;
        if (spellings(uuid).some((each) => consumers.has(each))) continue;
        setHealth(uuid, change.health);
        setConsumer(uuid, change.health.address);
        promoted.push(uuid);
      } else if (change.kind === 'move' || change.kind === 'return') {
        const { field, from, health: record } = change.move;
        if (consumers.get(field) !== from) continue;
        if (change.kind === 'move' && health.get(field)?.state !== 'dead') continue;
        setHealth(field, record);
        setConsumer(field, record.address);
        moved.push(field);
      }
    }
    return { promoted, moved };
  };

  const clean = () => {
    const page = scan(health, cleaned, CLEANED_AT_ONCE);
    const gone = page.items.filter(([uuid]) => !consumers.has(uuid));
    for (const [uuid] of gone) health.delete(uuid);
    cleaned = page.next;
    return gone.length;
  };

  return {
    consumers,
    health,
    candidates,
    called,
    summaries,
    get reply() {
      return reply;
    },
    ownIp: undefined,
    states,
    setConsumer,
    removeConsumer: (uuid) => void consumers.delete(uuid),
    openStore(host) {
      const token = {};
      let shard = 0;
      let lease: ReturnType<typeof keepLease> | undefined;
      const holds = () => {
        const held = leases.get(shard);
        return held?.token === token && held.untilMs > nowMs();
      };
      const renew = () => {
        if (!holds()) return false;
        leases.set(shard, { token, untilMs: nowMs() + LEASE_MS });
        return true;
      };
      /** Writes under the lease. */
      const write = async <Result>(act: () => Result): Promise<Result | 'lease-lost'> => {
        if (lease === undefined) throw new Error('No round is open.');
        return lease.run<Result | 'lease-lost'>(
          async () => (renew() ? act() : 'lease-lost'),
          (result) => result !== 'lease-lost',
        );
      };
      const open = ({ shard: asked, begun }: OpenRequest) => {
        if (begun !== undefined && Math.abs(nowMs() - begun.at) > begun.withinMs) return 'late';
        shard = asked;
        const held = leases.get(shard);
        if (held !== undefined && held.untilMs > nowMs()) return 'held';
        leases.set(shard, { token, untilMs: nowMs() + LEASE_MS });
        lease = keepLease({
          host,
          clock: { readings: 1, isStale: () => false },
          refresh: async () => {},
          renew: async () => renew(),
          takenMs: host.monotonicMs(),
        });
        const first = shard === 0;
        const taken = first ? [...called].slice(0, 1_000) : [];
        for (const uuid of taken) called.delete(uuid);
        return {
          at: afterLastProbe(probedMs, nowMs()),
          lease,
          consumers: consumers.size,
          ...(this.ownIp === undefined ? {} : { ownIp: this.ownIp }),
          stateOf: (of: number) => states.get(`${shard}/${of}`) ?? NO_STATE,
          secret: 'in memory',
          candidates: first ? [...candidates.values()] : [],
          called: taken,
          unusable: [],
        };
      };
      return {
        nowMs,
        commands: 0,
        openRound: async (request) => open(request),
        async scanConsumers(cursor, count) {
          if (!/^\d{1,20}$/.test(cursor)) return 'rejected';
          const { next, items } = scan(consumers, cursor, count);
          return { next, entries: items.map(([field, address]) => ({ field, address })) };
        },
        readHealth: async (fields) => fields.map((field) => health.get(field)),
        findConsumers: async (uuids) =>
          uuids.flatMap(spellings).flatMap((field) => {
            const address = consumers.get(field);
            return address === undefined ? [] : [{ field, address, health: health.get(field) }];
          }),
        writePage: (page) =>
          write(() => {
            for (const { field, record } of page.health) setHealth(field, record);
            states.set(`${page.part.shard}/${page.part.of}`, page.state);
            if (shard === 0) {
              for (const name of states.keys()) if (!name.endsWith(`/${page.part.of}`)) states.delete(name);
            }
            probedMs = page.nowMs;
            if (page.end === undefined) return { forgotten: 0, unusable: [] };
            summaries.push(page.end);
            if (summaries.length > MOST_SUMMARIES) summaries.shift();
            reply = page.end.reply ?? reply;
            leases.delete(shard);
            return { forgotten: shard === 0 ? clean() : 0, unusable: [] };
          }),
        async learn(claims) {
          return claims.map(candidateOf).filter((candidate) => {
            const { slot, uuid, address } = candidate;
            const occupant = candidates.get(slot);
            const stays =
              occupant !== undefined &&
              (occupant.failures === 0 || (occupant.uuid === uuid && occupant.address === address));
            const known = spellings(uuid).find((each) => consumers.has(each));
            if (stays || (known !== undefined && health.get(known)?.state !== 'dead')) return false;
            candidates.set(slot, candidate);
            return true;
          });
        },
        settle: (changes) => write(() => settle(changes)),
        close: async () => lease?.end(),
      };
    },
  };
}

function withStored(candidate: Omit<Candidate, 'stored'>, at: number): Candidate {
  return { ...candidate, stored: encodeCandidate({ ...candidate, at }) };
}

function scan<Value>(
  map: ReadonlyMap<string, Value>,
  cursor: string,
  count: number,
): { next: string; items: (readonly [string, Value])[] } {
  const from = Number(cursor);
  const end = from + (map.size <= count ? CURSOR_SPACE : Math.ceil((CURSOR_SPACE * count) / map.size));
  const all = from === 0 && end >= CURSOR_SPACE;
  const items = all
    ? [...map]
    : [...map].filter(([field]) => {
        const place = fnv1a(field);
        return place >= from && place < end;
      });
  return { next: end >= CURSOR_SPACE ? '0' : String(end), items };
}
