import type { Log } from '../../lib/host.ts';
import { type AddressPolicy, createAddressPolicy } from '../../lib/peers/address.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import type { RoundSummary } from '../../lib/sync/summary.ts';
import type { Random } from '../chaos/random.ts';
import { createAddressSpace, randomUuid } from './address-space.ts';
import type { EventLoop } from './event-loop.ts';
import { createMember, type Member, type MemberOptions } from './member.ts';
import type { Network } from './network.ts';
import { INTERVAL_MS, type Scenario } from './options.ts';
import { createScheduler } from './scheduler.ts';

/** The members, and what makes them come, act and go. */
export interface World {
  /** All that ever were, by their index. */
  readonly members: readonly Member[];
  memberOf(uuid: string): Member | undefined;
  living(): Member[];
  /** Makes a member at an address of its own. It does nothing before it is started. */
  create(traits: Pick<MemberOptions, 'poisons'>): Member;
  /** Lets its scheduler run, from a random moment of the first interval on, until `untilMs`. */
  start(member: Member, untilMs: number): void;
  leave(member: Member): void;
  /** Gives it another address: a fresh one, or one that another member has left. */
  move(member: Member): void;
}

export interface WorldParts {
  readonly scenario: Scenario;
  readonly loop: EventLoop;
  readonly random: Random;
  readonly network: Network;
  readonly log: Log;
  readonly onConsumer: MemberOptions['onConsumer'];
  readonly onHealth: MemberOptions['onHealth'];
  readonly onRound: (member: Member, summary: RoundSummary) => void;
}

export function createWorld(parts: WorldParts): World {
  const { scenario, loop, random, network, log, onConsumer, onHealth, onRound } = parts;
  const startMs = loop.nowMs;
  const members: Member[] = [];
  const byUuid = new Map<string, Member>();
  const space = createAddressSpace(random.fork('addresses'));
  const uuids = random.fork('uuids');
  const moves = random.fork('which address');
  const left: string[] = [];
  const policy = rememberParsed(createAddressPolicy({ defaultPort: 80, allow: [] }));

  const vacate = (member: Member) => {
    network.remove(member.ip);
    left.push(member.ip);
  };

  return {
    members,
    memberOf: (uuid) => byUuid.get(uuid),
    living: () => members.filter(({ goneMs }) => goneMs === undefined),
    create({ poisons }) {
      const index = members.length;
      const member = createMember({
        index,
        uuid: parseUuid(randomUuid(uuids)) as Uuid,
        ip: space.fresh(
          scenario.uplink === undefined || index % 2 === 0 ? undefined : members[index - 1]?.ip,
        ),
        poisons,
        gossip: scenario.gossip,
        tellsCalled: scenario.called,
        random: random.fork(`replies of ${index}`),
        nowMs: () => loop.nowMs,
        onConsumer,
        onHealth,
      });
      members.push(member);
      byUuid.set(member.uuid, member);
      network.place(member);
      return member;
    },
    start(member, untilMs) {
      const own = random.fork(`scheduler of ${member.index}`);
      const round = createScheduler(member, {
        intervalMs: INTERVAL_MS,
        maxProbes: scenario.maxProbes,
        spread: scenario.spread,
        stallMs: scenario.stall === undefined ? undefined : scenario.stall * 1_000,
        policy,
        loop,
        startMs,
        post: network.postOf(member),
        source: network.source,
        random: own,
        log,
      });
      const tick = () => {
        if (member.goneMs !== undefined) return;
        round().then(
          (summary) => onRound(member, summary),
          (error: unknown) => loop.fail(error),
        );
        tickIn(INTERVAL_MS);
      };
      const tickIn = (ms: number) => {
        if (loop.nowMs + ms < untilMs) loop.after(ms, tick);
      };
      tickIn(own.next() * INTERVAL_MS);
    },
    leave(member) {
      vacate(member);
      member.leave(loop.nowMs);
    },
    move(member) {
      const secondHand = left.length > 0 && moves.chance(scenario.reuse);
      const [ip = space.fresh()] = secondHand ? left.splice(moves.between(0, left.length - 1), 1) : [];
      vacate(member);
      member.moveTo(ip);
      network.place(member);
    },
  };
}

/** Poison brings ever new addresses. */
const MOST_REMEMBERED = 100_000;

/** The same policy. It is pure, and the members of one network read the same addresses again and again. */
function rememberParsed(policy: AddressPolicy): AddressPolicy {
  const parsed = new Map<unknown, ReturnType<AddressPolicy['parse']>>();
  return {
    permits: policy.permits,
    parse(raw) {
      let known = parsed.get(raw);
      if (known === undefined) {
        if (parsed.size >= MOST_REMEMBERED) parsed.clear();
        known = policy.parse(raw);
        parsed.set(raw, known);
      }
      return known;
    },
  };
}
