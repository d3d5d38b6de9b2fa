import type { Outcome } from '../../lib/http/outcome.ts';
import type { Source, Vote } from '../../lib/ip/sources.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import { fnv1a } from '../../lib/sync/shard.ts';
import type { Random } from '../chaos/random.ts';
import { areNear } from './address-space.ts';
import type { EventLoop } from './event-loop.ts';
import type { Member } from './member.ts';

/** A stretch of the simulated time: what happens at `from` is in it, what happens at `to` is not. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface Conditions {
  /** The share of exchanges that are lost, on their way there or back: a timeout for the caller. */
  readonly loss: number;
  /** The median of the exchanges' durations; they are log-normal with sigma 0.5. */
  readonly latencyMs: number;
  /** While it lasts, members of even and of odd index do not reach each other. IP sources answer both. */
  readonly partition?: Stretch | undefined;
  /** While it lasts, nobody's own network works: no member and no IP source is reached. */
  readonly outage?: Stretch | undefined;
  /** While it lasts, a member reaches those of its own /16 alone. */
  readonly uplink?: Stretch | undefined;
  /** Each member is behind a router that keeps so many calls for 12 s after their start: further ones are lost. */
  readonly nat?: number | undefined;
  /** Each member has so many descriptors for calls: further ones at a time fail on its own machine. */
  readonly descriptors?: number | undefined;
  /** The uplink of each member is down for the first part of each period. IP sources do not answer then. */
  readonly flap?: { readonly downMs: number; readonly everyMs: number } | undefined;
}

/** Who watches: each call when it starts, and those that were answered. */
export interface Watch {
  called(caller: Member, ip: string): void;
  reached(caller: Member, callee: Member): void;
}

/** The simulated network: who is where, and how calls fare. */
export interface Network {
  /** Whom an address leads to now. */
  at(ip: string): Member | undefined;
  place(member: Member): void;
  remove(ip: string): void;
  postOf(caller: Member): PostToPeer;
  /** An IP source as members see it: it answers as long as their own network works. */
  readonly source: Source;
}

const SIGMA = 0.5;
/** Troubles of each member's own network begin once everybody has been called a few times. */
const CALM_MS = 15 * 60_000;
/** How long a home router keeps an entry for a call. */
const NAT_MS = 12_000;
const SOURCE = 'source.invalid';
const SOURCE_TIMEOUT_MS = 3_000;

export function createNetwork(
  conditions: Conditions,
  { loop, random, watch }: { loop: EventLoop; random: Random; watch: Watch },
): Network {
  const places = new Map<string, Member>();
  const during = (stretch: Stretch | undefined) =>
    stretch !== undefined && loop.nowMs >= stretch.from && loop.nowMs < stretch.to;
  const beginMs = loop.nowMs + CALM_MS;
  const hasBegun = () => loop.nowMs >= beginMs;
  const flaps = () =>
    hasBegun() &&
    conditions.flap !== undefined &&
    loop.nowMs % conditions.flap.everyMs < conditions.flap.downMs;
  const isDown = () => flaps() || during(conditions.outage);
  const startsMs = new Map<Member, number[]>();
  const running = new Map<Member, number>();
  /** Whether the member's router has room for one more call. Takes it. */
  const natBears = (member: Member) => {
    if (conditions.nat === undefined || !hasBegun()) return true;
    const kept = (startsMs.get(member) ?? []).filter((ms) => loop.nowMs - ms < NAT_MS);
    startsMs.set(member, kept);
    if (kept.length >= conditions.nat) return false;
    kept.push(loop.nowMs);
    return true;
  };
  const connected = (a: Member, b: Member) => a.index % 2 === b.index % 2 || !during(conditions.partition);
  const latencyMs = () =>
    conditions.latencyMs *
    Math.exp(SIGMA * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()));

  const post =
    (caller: Member): PostToPeer =>
    ({ address: { ip }, timeoutMs }) =>
      new Promise((resolve) => {
        watch.called(caller, ip);
        const atOnce = (running.get(caller) ?? 0) + 1;
        if (conditions.descriptors !== undefined && hasBegun() && atOnce > conditions.descriptors) {
          return loop.after(0, () =>
            resolve({ kind: 'failed', error: 'local', mayHaveArrived: false, rttMs: 0 }),
          );
        }
        running.set(caller, atOnce);
        const settle = (ms: number, outcome: () => Outcome) =>
          loop.after(ms, () => {
            running.set(caller, (running.get(caller) ?? 1) - 1);
            // A process that has ended hears nothing any more.
            if (caller.goneMs === undefined) resolve(outcome());
          });
        const fail = (error: 'timeout' | 'refused', ms: number) =>
          settle(ms, () => ({ kind: 'failed', error, mayHaveArrived: error === 'timeout', rttMs: ms }));

        const tookMs = latencyMs();
        const cutOff = isDown() || (during(conditions.uplink) && !areNear(caller.ip, ip));
        if (!natBears(caller) || tookMs >= timeoutMs || cutOff) return fail('timeout', timeoutMs);
        const callee = places.get(ip);
        const lost = random.next() < conditions.loss;
        const lostOnTheWayBack = lost && random.next() < 0.5;
        if (callee === undefined) {
          // Of the places that nobody has, half belong to a machine that refuses.
          return lost || fnv1a(ip) % 2 === 0 ? fail('timeout', timeoutMs) : fail('refused', tookMs);
        }
        if (!connected(caller, callee) || (lost && !lostOnTheWayBack)) return fail('timeout', timeoutMs);
        if (lost) {
          callee.answer(caller);
          return fail('timeout', timeoutMs);
        }
        settle(tookMs, () => {
          const body = callee.answer(caller);
          // One that has moved meanwhile was reached where it is no more.
          if (callee.ip === ip) watch.reached(caller, callee);
          return { kind: 'replied', status: 200, body, rttMs: tookMs };
        });
      });

  return {
    at: (ip) => places.get(ip),
    place(member) {
      places.set(member.ip, member);
    },
    remove(ip) {
      places.delete(ip);
    },
    postOf: post,
    source: {
      id: SOURCE,
      operator: SOURCE,
      kind: 'http',
      witness: true,
      ask: () =>
        new Promise<Vote>((resolve) => {
          const names = { source: SOURCE, operator: SOURCE };
          const down = isDown() || during(conditions.uplink);
          const answer: Vote = down
            ? { ...names, kind: 'unknown', error: 'timeout' }
            : // Somebody answered, which is all that a round asks for.
              { ...names, kind: 'unknown', error: 'status' };
          loop.after(down ? SOURCE_TIMEOUT_MS : latencyMs(), () => resolve(answer));
        }),
    },
  };
}
