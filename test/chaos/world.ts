import { type Bustle, createBustle } from './bustle.ts';
import { textsOf } from './commits.ts';
import { createInvocations, type Invocations } from './invocations.ts';
import type { Lane } from './lane.ts';
import type { Random } from './random.ts';
import { createResidents, type Residents } from './residents.ts';
import { KEYS } from './scripts.ts';
import type { Tally } from './tally.ts';

/** What happens in one run: its producers, its invocations, its faults, and its time. */
export interface World {
  readonly residents: Residents;
  readonly invocations: Invocations;
  readonly bustle: Bustle;
  readonly nowMs: number;
  changeIp(ip: string): void;
  dropRedis(downMs: number): void;
  breakConnection(): void;
  flushScripts(): void;
  /** Lets time pass, in which no handler runs. What is due after that begins. */
  pass(ms: number): Promise<void>;
  /** The members of `deliveries:due` with their scores. */
  due(): Promise<ReadonlyMap<string, number>>;
}

/** Begins a run in an empty Redis. */
export async function createWorld(
  lane: Lane,
  { random, tally }: { random: Random; tally: Tally },
): Promise<World> {
  const { clock, wire, sources, places, containers } = lane;
  const bustle = createBustle(clock, tally);
  const common = { clock, bustle, tally };
  const residents = createResidents({ ...common, wire, places, random });
  const invocations = createInvocations({ ...common, containers, random: random.fork('lambda') });

  wire.trouble(0, random);
  sources.calm();
  await Promise.all(places.map((place) => place.open(true)));
  await wire.direct(['FLUSHALL']);
  wire.commits.reset();
  lane.observe({
    onSourceAsked: bustle.happened,
    onRequest(passing) {
      invocations.asks(passing);
      bustle.happened();
    },
    onCarriedOut: bustle.happened,
    onFault: bustle.fault,
    onCall: (call) => bustle.track(residents.receive(call)),
    onInvoke(payload) {
      bustle.happened();
      return invocations.accept(payload);
    },
    listed: residents.listed,
  });

  /** Redis counts a lease by its own clock, which has not been skipped. */
  const shortenLease = async (ms: number) => {
    const key = KEYS.lease('notify');
    const [left] = await wire.direct(['PTTL', key]);
    if (Number(left) < 0) return;
    const rest = Math.floor(Number(left) - ms);
    await wire.direct(rest > 0 ? ['PEXPIRE', key, String(rest)] : ['DEL', key]);
  };

  return {
    residents,
    invocations,
    bustle,
    get nowMs() {
      return clock.nowMs();
    },
    changeIp(ip) {
      bustle.note(`the IP changes to ${ip}`);
      sources.ip = ip;
    },
    dropRedis(downMs) {
      bustle.fault('Redis: killed and restarted');
      bustle.track(wire.dropRedis(downMs));
    },
    breakConnection() {
      bustle.fault('Redis: connection broken');
      bustle.track(wire.breakConnection());
    },
    flushScripts() {
      bustle.fault('Redis: SCRIPT FLUSH');
      bustle.track(wire.direct(['SCRIPT', 'FLUSH']));
    },
    async pass(ms) {
      bustle.note(`${Math.round(ms / 100) / 10} s pass`);
      const until = clock.nowMs() + ms;
      residents.takeLate(until);
      clock.skip(until - clock.nowMs());
      await shortenLease(ms);
      invocations.catchUp();
    },
    async due() {
      const [reply] = await wire.direct(['ZRANGE', KEYS.due, '0', '-1', 'WITHSCORES']);
      const flat = textsOf(reply ?? null);
      return new Map(flat.flatMap((uuid, i) => (i % 2 === 0 ? [[uuid, Number(flat[i + 1])] as const] : [])));
    },
  };
}
