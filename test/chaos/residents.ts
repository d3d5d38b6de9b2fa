import type { VirtualClock } from '../support/clock.ts';
import type { Bustle } from './bustle.ts';
import { LOCAL_UUID } from './lane.ts';
import type { Call, Place } from './places.ts';
import { type Mood, type Producer, react } from './producers.ts';
import type { Random } from './random.ts';
import { KEYS } from './scripts.ts';
import type { Tally } from './tally.ts';
import type { Wire } from './wire.ts';

/** The producers of a run: who they are, where they live, what Redis holds of them, what they take note of. */
export interface Residents {
  readonly all: readonly Producer[];
  /** Whether something is still to take effect. */
  readonly pending: boolean;
  /** The uuids that `producers` holds. */
  listed(): ReadonlySet<string>;
  /** A new one, listed, unless there is no place left. */
  add(): Promise<void>;
  list(producer: Producer): Promise<void>;
  unlist(producer: Producer): Promise<void>;
  move(producer: Producer): Promise<void>;
  /** The next one that is called has moved when the call arrives: a stranger answers it. */
  moveNextCalled(): void;
  setMood(producer: Producer, mood: Mood): Promise<void>;
  receive(call: Call): Promise<void>;
  /** Lets what takes effect late do so, up to that virtual time and each at its own. */
  takeLate(until: number): void;
}

export function createResidents({
  wire,
  places,
  clock,
  bustle,
  tally,
  random,
}: {
  wire: Wire;
  places: readonly Place[];
  clock: VirtualClock;
  bustle: Bustle;
  tally: Tally;
  random: Random;
}): Residents {
  const all: Producer[] = [];
  /** Nobody ever moves back: what a stranger answers at a former place is promised not to count only while it is one. */
  const vacant = [...places];
  let movesNextCalled = false;
  let late: { readonly at: number; readonly take: () => void }[] = [];

  const take = (producer: Producer, home: Place, epoch: number, ip: string) => {
    // Who has moved away takes note of nothing at its former place.
    if (producer.home !== home) return;
    producer.effects.push({ epoch, ip, at: clock.nowMs() });
    bustle.note(`${producer.name} takes note of ${ip}, epoch ${epoch}`);
  };

  const takeLate = (until: number) => {
    const due = late.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
    late = late.filter(({ at }) => at > until);
    for (const { at, take } of due) {
      clock.skip(at - clock.nowMs());
      bustle.note('what was late takes effect:');
      take();
    }
  };

  const list = async (producer: Producer) => {
    await wire.direct(['HSET', KEYS.producers, producer.uuid, producer.home.address]);
    producer.listed = true;
    bustle.note(`${producer.name} is listed at ${producer.home.address}`);
  };

  const move = async (producer: Producer) => {
    const home = vacant.shift();
    if (home === undefined) return;
    if (producer.mood === 'refusing') await home.open(false);
    // It lives at its former place until the API says otherwise: what a stranger answers there counts until then.
    if (producer.listed) await wire.direct(['HSET', KEYS.producers, producer.uuid, home.address]);
    const { home: former } = producer;
    producer.home = home;
    bustle.note(`${producer.name} moves to ${home.address}`);
    await former.open(true);
  };

  return {
    all,
    get pending() {
      return late.length > 0;
    },
    listed: () => new Set(all.flatMap(({ listed, uuid }) => (listed ? [uuid] : []))),
    async add() {
      const home = vacant.shift();
      if (home === undefined) return;
      const n = all.length + 1;
      const producer: Producer = {
        uuid: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
        name: `P${n}`,
        random: random.fork(`producer ${n}`),
        home,
        listed: false,
        mood: 'well',
        effects: [],
      };
      all.push(producer);
      await list(producer);
    },
    list,
    async unlist(producer) {
      producer.listed = false;
      await wire.direct(['HDEL', KEYS.producers, producer.uuid]);
      bustle.note(`${producer.name} is removed`);
    },
    move,
    moveNextCalled() {
      movesNextCalled = true;
    },
    async setMood(producer, mood) {
      if (producer.mood === mood) return;
      producer.mood = mood;
      bustle.note(`${producer.name} is ${mood}`);
      await producer.home.open(mood !== 'refusing');
    },
    async receive(call) {
      tally.calls += 1;
      const told = readCall(call);
      if (told === undefined) {
        tally.findings.foreign += 1;
        bustle.note(`FOREIGN: ${call.method} ${call.path} ${call.epoch} ${call.body}`);
      }
      const producer = all.find(({ home }) => home === call.place);
      if (producer === undefined || told === undefined) {
        // A stranger at a former place.
        call.response.writeHead(200).end();
        return;
      }
      const { epoch, ip } = told;
      bustle.note(`${producer.name} is called: ${ip}, epoch ${epoch}`);
      bustle.happened();
      if ((await wire.peek(['ZSCORE', KEYS.due, producer.uuid])) === null) {
        tally.findings.uncalledFor += 1;
        bustle.note(`UNCALLED-FOR: ${producer.name} has no delivery`);
      }
      if (movesNextCalled && producer.listed) {
        movesNextCalled = false;
        await move(producer);
        call.response.writeHead(200).end();
        return;
      }
      const takeNow = () => take(producer, call.place, epoch, ip);
      await react(producer, call, {
        take: () => {
          // Time also goes on while handlers run: what is late by now comes before this call.
          takeLate(clock.nowMs());
          takeNow();
        },
        takeLate: (afterMs) => late.push({ at: clock.nowMs() + afterMs, take: takeNow }),
        onFault: (behaviour) => bustle.fault(`producer: ${behaviour}`),
      });
    },
    takeLate,
  };
}

/** What a request tells, if it is one as it has to be. */
function readCall({ method, path, epoch, body }: Call): { epoch: number; ip: string } | undefined {
  const told = /^\{"uuid":"([0-9a-f-]{36})","ip":"(203\.0\.113\.\d{1,3})"\}$/.exec(body);
  const asItShouldBe = method === 'POST' && path === '/ip' && /^\d{13,15}$/.test(epoch);
  if (!asItShouldBe || told?.[1] !== LOCAL_UUID || told[2] === undefined) return undefined;
  return { epoch: Number(epoch), ip: told[2] };
}
