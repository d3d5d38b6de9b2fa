import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Member } from './member.ts';
import type { PeerNetwork } from './world.ts';

/** What a scenario came to: a row of the table. */
export interface Outcome {
  readonly what: string;
  readonly target: string;
  readonly result: string;
  /** Whether it came about at all. What tests hold: they know no time. */
  readonly happened: boolean;
  /** Whether it came about within its target. */
  readonly reached: boolean;
}

/** What happens in the network, and what must come of it. Each leaves a network in which all know all. */
export type Scenario = (network: PeerNetwork) => Promise<Outcome>;

/** Longer than any target: what is not there by then does not come. */
const PATIENCE_ROUNDS = 12;

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const inRounds = (ms: number, { intervalMs }: PeerNetwork) => (ms / intervalMs).toFixed(1);

/** A target in rounds of every member's own schedule; a second of grace for the round itself and the look at it. */
function timed(network: PeerNetwork, what: string, rounds: number, ms: number | undefined): Outcome {
  // A round under way at the moment does not count, and its probes may take their deadline and a second try.
  const graceMs = 10_000;
  return {
    what,
    target: `${rounds} rounds`,
    result: ms === undefined ? 'never' : `${seconds(ms)} (${inRounds(ms, network)} rounds)`,
    happened: ms !== undefined,
    reached: ms !== undefined && ms <= rounds * network.intervalMs + graceMs,
  };
}

const patience = ({ intervalMs }: PeerNetwork) => PATIENCE_ROUNDS * intervalMs + 30_000;

export const formation: Scenario = async (network) => {
  // Counted from the first round of the last host to start.
  await network.until(async () => {
    const rounds = await Promise.all(network.members.map((member) => member.rounds()));
    return rounds.every((count) => count > 0);
  }, patience(network));
  const ms = await network.until(() => network.knowsAll(), patience(network));
  return timed(network, 'from one introduction, all know all', 4, ms);
};

export const everyProducerKnows: Scenario = async ({ members, told, until, checkMs }) => {
  const ms = await until(() => knowAll(members, told), 60_000);
  return {
    what: 'every producer has the first address of every consumer',
    target: 'all',
    result: ms === undefined ? 'not all' : `${told.size} producers, ${members.length} consumers`,
    happened: ms !== undefined && checkMs > 0,
    reached: ms !== undefined && checkMs > 0,
  };
};

/** Two outcomes: producers, and consumers. */
export async function addressChange(network: PeerNetwork): Promise<Outcome[]> {
  const { members, told, until, checkMs } = network;
  const mover = memberAt(network, 2);
  network.move(mover);
  const [producersMs, consumersMs] = await Promise.all([
    until(() => knowAll([mover], told), checkMs + 60_000),
    until(() => network.knowsAll(), patience(network)),
  ]);
  const targetMs = checkMs + 4_000;
  return [
    {
      what: `an address changes: all ${told.size} producers are told`,
      target: `check + 4 s = ${seconds(targetMs)}`,
      result: producersMs === undefined ? 'not all' : seconds(producersMs),
      happened: producersMs !== undefined,
      reached: producersMs !== undefined && producersMs <= targetMs + 2_000,
    },
    timed(network, `an address changes: all ${members.length - 1} consumers know it`, 2, consumersMs),
  ];
}

/**
 * Neither learns the other's move from the other: they call each other where nobody is any more. Each holds the other dead
 * after three rounds, and then believes a third one that names it elsewhere, once it answers there.
 */
export const twoMoveAtOnce: Scenario = async (network) => {
  network.move(memberAt(network, 0));
  network.move(memberAt(network, 3));
  const ms = await network.until(() => network.knowsAll(), patience(network));
  return timed(network, 'two move in the same round: all know all', 6, ms);
};

/** `forMs`: how long the halves do not reach each other. */
export function partition(forMs: number): Scenario {
  return async (network) => {
    const half = network.members.slice(0, Math.floor(network.members.length / 2)).map(({ name }) => name);
    network.internet.cutOff(half);
    await delay(forMs);
    network.internet.heal();
    const ms = await network.until(() => network.knowsAll(), patience(network));
    return timed(network, `two halves apart for ${seconds(forMs)}: all know all after healing`, 2, ms);
  };
}

/** One member alone is away for long enough to be held dead. */
export function isolation(forMs: number): Scenario {
  return async (network) => {
    const alone = memberAt(network, 1);
    network.internet.cutOff([alone.name]);
    await delay(forMs);
    network.internet.heal();
    const ms = await network.until(() => network.knowsAll(), patience(network));
    return timed(network, `one is cut off for ${seconds(forMs)}: all know all after healing`, 2, ms);
  };
}

export const killed: Scenario = async (network) => {
  const victim = memberAt(network, 1);
  await victim.killHost();
  const before = await victim.rounds();
  victim.startHost();
  const leaseMs = 30_000;
  const ms = await network.until(
    async () => (await victim.rounds()) > before,
    leaseMs + 2 * network.intervalMs,
  );
  const wellKnown = await network.knowsAll();
  return {
    what: 'kill -9 of a scheduler: its next round is complete',
    target: `lease + interval = ${seconds(leaseMs + network.intervalMs)}`,
    result:
      ms === undefined
        ? 'never'
        : `${seconds(ms)}, ${wellKnown ? 'nobody noticed' : 'somebody is held dead'}`,
    happened: ms !== undefined && wellKnown,
    reached: ms !== undefined && wellKnown,
  };
};

/** A Redis that answers nobody: its consumer API still answers, so that nobody holds it dead. */
export function frozenRedis(forMs: number): Scenario {
  return async (network) => {
    const victim = memberAt(network, 1);
    const others = network.members.filter((member) => member !== victim);
    victim.freezeRedis(true);
    let worst = 'alive';
    await network.until(async () => {
      for (const other of others) {
        const state = (await other.views()).get(victim.uuid)?.state ?? 'absent';
        if (state !== 'alive') worst = state;
      }
      return false;
    }, forMs);
    victim.freezeRedis(false);
    const ms = await network.until(() => network.knowsAll(), patience(network));
    return {
      what: `a Redis is frozen for ${seconds(forMs)}: its consumer stays alive for all`,
      target: 'alive all the time',
      result: worst === 'alive' ? 'alive all the time' : `${worst} for somebody`,
      happened: worst === 'alive' && ms !== undefined,
      reached: worst === 'alive' && ms !== undefined,
    };
  };
}

/** An impostor that calls everybody as a victim each second, and answers as the victim, for some rounds. */
export function impostor(rounds: number): Scenario {
  return async (network) => {
    const victim = memberAt(network, 0);
    const end = await network.lie(victim.uuid, []);
    let lost = false;
    await network.until(async () => {
      lost ||= !(await network.knowsAll());
      return lost;
    }, rounds * network.intervalMs);
    await end();
    return {
      what: `an impostor names a victim's uuid each second, for ${rounds} rounds`,
      target: 'the victim stays alive for all',
      result: lost ? 'somebody lost the victim' : 'the victim stayed alive for all',
      happened: !lost,
      reached: !lost,
    };
  };
}

/** A liar that is a consumer, and names the others at addresses where they are not, and some that do not exist. */
export function liar(rounds: number): Scenario {
  return async (network) => {
    const uuid = randomUUID();
    const invented = Array.from({ length: 20 }, (_, n) => ({ uuid: randomUUID(), ip: `11.222.${n}.10` }));
    const moved = network.members.map((member, n) => ({ uuid: member.uuid, ip: `11.223.${n}.10` }));
    const end = await network.lie(uuid, [...moved, ...invented]);
    const known = new Set([uuid, ...network.members.map((member) => member.uuid)]);
    let believed = 0;
    await network.until(async () => {
      for (const member of network.members) {
        const views = await member.views();
        believed = Math.max(believed, [...views.keys()].filter((other) => !known.has(other)).length);
      }
      return false;
    }, rounds * network.intervalMs);
    const wellKnown = await network.knowsAll();
    await end();
    for (const member of network.members) await member.redis.hdel('{p2p}:consumers', uuid);
    return {
      what: `a liar names ${invented.length} that do not exist and all others elsewhere, for ${rounds} rounds`,
      target: 'nobody believes it',
      result: wellKnown && believed === 0 ? 'nobody believes it' : `${believed} were believed`,
      happened: wellKnown && believed === 0,
      reached: wellKnown && believed === 0,
    };
  };
}

function memberAt({ members }: PeerNetwork, index: number): Member {
  const member = members[index];
  if (member === undefined) throw new Error(`The network has no member ${index}`);
  return member;
}

function knowAll(
  members: readonly Member[],
  told: ReadonlyMap<string, ReadonlyMap<string, string>>,
): boolean {
  return [...told.values()].every((book) => members.every(({ uuid, ip }) => book.get(uuid) === ip));
}
