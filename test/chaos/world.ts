import { setImmediate as nextTurn } from 'node:timers/promises';
import { textsOf } from './commits.ts';
import type { FunctionName, InvocationEnd, Running } from './containers.ts';
import { type Lane, LOCAL_UUID, type Observer } from './lane.ts';
import type { Call } from './places.ts';
import { type Behaviour, type Mood, type Producer, react } from './producers.ts';
import type { Random } from './random.ts';
import { COMMITTING, KEYS } from './scripts.ts';
import { count, type Tally } from './tally.ts';

/** A moment of a run, for those who want to know what happened. Times are ms since its start. */
export interface Moment {
  readonly atMs: number;
  readonly realMs: number;
  readonly text: string;
}

/** What happens in one run: who lives where, what was asked of whom, what is planned to go wrong. */
export interface World {
  readonly producers: readonly Producer[];
  readonly timeline: readonly Moment[];
  /** Whether something is still to come that was late or lost before. */
  readonly pending: boolean;
  readonly nowMs: number;
  note(text: string): void;
  changeIp(ip: string): void;
  add(): Promise<Producer | undefined>;
  list(producer: Producer): Promise<void>;
  unlist(producer: Producer): Promise<void>;
  move(producer: Producer): Promise<void>;
  setMood(producer: Producer, mood: Mood): Promise<void>;
  /** A scheduled run of `ip-check`, or an invocation of `producer-notify`. It runs on by itself. */
  check(): void;
  notify(event: object): void;
  killHandler(random: Random): void;
  dropRedis(downMs: number): void;
  breakConnection(): void;
  flushScripts(): void;
  /** Does `action` after so many things have happened from now on, unless the step ends before. */
  plan(afterEvents: number, action: () => unknown): void;
  /** Waits until no handler runs any more, and drops what was planned and has not happened. */
  settle(): Promise<void>;
  /** Lets time pass, in which no handler runs. */
  pass(ms: number): Promise<void>;
  /** No invocation is lost, late or repeated any more. */
  calm(): void;
}

const TIME_LIMITS_MS: Readonly<Record<FunctionName, number>> = {
  'ip-check': 50_000,
  'producer-notify': 300_000,
};
/** As Lambda does with a failed asynchronous invocation: twice, a minute and two minutes later. */
const RETRIES = 2;
const RETRY_MS = 60_000;

/** Begins a run in an empty Redis. */
export async function createWorld(
  lane: Lane,
  { random, tally }: { random: Random; tally: Tally },
): Promise<World> {
  const { clock, wire, sources, places, containers } = lane;
  const producers: Producer[] = [];
  const homes = [...places];
  const timeline: Moment[] = [];
  const busy = new Set<Promise<unknown>>();
  const lambda = random.fork('lambda');
  const startedMs = clock.nowMs();
  const startedRealMs = Date.now();
  /** The scripts of the last request of each container. */
  const asked = new Map<string, readonly string[]>();
  /** What takes effect later, and what is invoked later, by virtual time. */
  const late: { at: number; take: () => void }[] = [];
  let later: { at: number; start: () => void }[] = [];
  let planned: { left: number; action: () => unknown }[] = [];
  let isCalm = false;
  let invocations = 0;

  const note = (text: string) => {
    timeline.push({ atMs: clock.nowMs() - startedMs, realMs: Date.now() - startedRealMs, text });
  };
  const track = (work: Promise<unknown>) => {
    const tracked = work
      .catch((error: unknown) => {
        tally.findings.brokenRuns += 1;
        note(`BROKEN: ${error instanceof Error ? error.stack : error}`);
      })
      .finally(() => busy.delete(tracked));
    busy.add(tracked);
  };
  const fault = (kind: string) => {
    count(tally.faults, kind);
    note(kind);
  };
  const happened = () => {
    for (const plan of planned) plan.left -= 1;
    const now = planned.filter(({ left }) => left <= 0);
    planned = planned.filter(({ left }) => left > 0);
    for (const { action } of now) track(Promise.resolve(action()));
  };

  const start = (name: FunctionName, event: unknown, requestId = `request-${++invocations}`, attempt = 0) => {
    tally.invocations += 1;
    note(`${name} ${requestId} begins with ${JSON.stringify(event)}`);
    track(
      containers.invoke({ name, event, requestId, timeLimitMs: TIME_LIMITS_MS[name] }).then((end) => {
        note(`${name} ${requestId} ${describe(end)}`);
        if (end.kind === 'died' || isRefusal(end) || (isCalm && end.kind !== 'answered')) {
          tally.findings.brokenRuns += 1;
        }
        const again = name === 'producer-notify' && end.kind !== 'answered' && attempt < RETRIES;
        if (!again || lambda.chance(0.3)) return;
        later.push({
          at: clock.nowMs() + RETRY_MS * (attempt + 1),
          start: () => start(name, event, requestId, attempt + 1),
        });
      }),
    );
  };

  const take = (producer: Producer, home: Producer['home'], epoch: number, ip: string) => {
    // Who has moved away takes note of nothing at its former place.
    if (producer.home !== home) return;
    producer.effects.push({ epoch, ip, at: clock.nowMs() });
    note(`${producer.name} takes note of ${ip}, epoch ${epoch}`);
  };

  const receive = async (call: Call): Promise<void> => {
    tally.calls += 1;
    const told = readCall(call);
    if (told === undefined) {
      tally.findings.foreign += 1;
      note(`FOREIGN: ${call.method} ${call.path} ${call.epoch} ${call.body}`);
    }
    const producer = producers.find(({ home }) => home === call.place);
    if (producer === undefined || told === undefined) {
      // A stranger at a former place.
      call.response.writeHead(200).end();
      return;
    }
    const { epoch, ip } = told;
    note(`${producer.name} is called: ${ip}, epoch ${epoch}`);
    happened();
    if (!wire.down && (await wire.peek(['ZSCORE', KEYS.due, producer.uuid])) === null) {
      tally.findings.uncalledFor += 1;
      note(`UNCALLED-FOR: ${producer.name} has no delivery`);
    }
    await react(producer, call, {
      take: () => take(producer, call.place, epoch, ip),
      takeLate: (afterMs) =>
        late.push({
          at: clock.nowMs() + afterMs,
          take: () => take(producer, call.place, epoch, ip),
        }),
      onFault: (behaviour: Behaviour) => fault(`producer: ${behaviour}`),
    });
  };

  const observer: Observer = {
    onSourceAsked: happened,
    onRequest({ container, scripts }) {
      asked.set(container, scripts);
      happened();
    },
    onCarriedOut: happened,
    onFault: fault,
    onCall: (call) => track(receive(call)),
    onInvoke(payload) {
      happened();
      const fate = isCalm
        ? 'arrives'
        : lambda.weighted([
            [14, 'arrives'],
            [2, 'lost'],
            [2, 'twice'],
            [1, 'late'],
            [1, 'not accepted'],
          ]);
      if (fate !== 'arrives') fault(`invocation: ${fate}`);
      if (fate === 'arrives' || fate === 'twice') start('producer-notify', payload);
      if (fate === 'twice') start('producer-notify', payload);
      if (fate === 'late') {
        later.push({
          at: clock.nowMs() + lambda.between(1_000, 3_600_000),
          start: () => start('producer-notify', payload),
        });
      }
      return fate !== 'not accepted';
    },
    listed: () => new Set(producers.flatMap(({ listed, uuid }) => (listed ? [uuid] : []))),
  };

  const list = async (producer: Producer) => {
    await wire.direct(['HSET', KEYS.producers, producer.uuid, producer.home.address]);
    producer.listed = true;
    note(`${producer.name} is listed at ${producer.home.address}`);
  };

  /** What was written before a process died has arrived by then, and is read: then nothing of it is under way any more. */
  const drainSockets = async () => {
    for (let turn = 0; turn < 6; turn++) await nextTurn();
  };

  wire.trouble(0, random);
  sources.calm();
  await Promise.all(places.map((place) => place.open(true)));
  await wire.direct(['FLUSHALL']);
  wire.commits.reset();
  lane.observe(observer);

  return {
    producers,
    timeline,
    get pending() {
      return late.length > 0 || later.length > 0;
    },
    get nowMs() {
      return clock.nowMs();
    },
    note,
    changeIp(ip) {
      note(`the IP changes to ${ip}`);
      sources.ip = ip;
    },
    async add() {
      const home = homes.shift();
      if (home === undefined) return undefined;
      const n = producers.length + 1;
      const producer: Producer = {
        uuid: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
        name: `P${n}`,
        random: random.fork(`producer ${n}`),
        home,
        listed: false,
        mood: 'well',
        effects: [],
      };
      producers.push(producer);
      await list(producer);
      return producer;
    },
    list,
    async unlist(producer) {
      producer.listed = false;
      await wire.direct(['HDEL', KEYS.producers, producer.uuid]);
      note(`${producer.name} is removed`);
    },
    async move(producer) {
      const home = homes.shift();
      if (home === undefined) return;
      if (producer.mood === 'refusing') await home.open(false);
      // It lives at its former place until the API says otherwise: what a stranger answers there counts until then.
      if (producer.listed) await wire.direct(['HSET', KEYS.producers, producer.uuid, home.address]);
      const { home: former } = producer;
      producer.home = home;
      note(`${producer.name} moves to ${home.address}`);
      await former.open(true);
    },
    async setMood(producer, mood) {
      if (producer.mood === mood) return;
      producer.mood = mood;
      note(`${producer.name} is ${mood}`);
      await producer.home.open(mood !== 'refusing');
    },
    check: () => start('ip-check', { source: 'schedule' }),
    notify: (event) => start('producer-notify', event),
    killHandler(by) {
      const [first, ...rest] = containers.running;
      if (first === undefined) return;
      const victim = by.pick([first, ...rest]);
      const stage = stageOf(victim, asked.get(victim.container));
      count(tally.kills, stage);
      note(`KILL of ${victim.order.name} ${victim.order.requestId} in a ${stage}`);
      containers.kill(victim);
    },
    dropRedis(downMs) {
      fault('Redis: killed and restarted');
      track(wire.dropRedis(downMs));
    },
    breakConnection() {
      fault('Redis: connection broken');
      track(wire.breakConnection());
    },
    flushScripts() {
      fault('Redis: SCRIPT FLUSH');
      track(wire.direct(['SCRIPT', 'FLUSH']));
    },
    plan(afterEvents, action) {
      planned.push({ left: afterEvents, action });
    },
    async settle() {
      while (busy.size > 0) await Promise.all(busy);
      planned = [];
      await drainSockets();
    },
    async pass(ms) {
      note(`${Math.round(ms / 100) / 10} s pass`);
      const until = clock.nowMs() + ms;
      late.sort((a, b) => a.at - b.at);
      for (let next = late[0]; next !== undefined && next.at <= until; next = late[0]) {
        late.shift();
        clock.skip(next.at - clock.nowMs());
        note('LATE:');
        next.take();
      }
      clock.skip(until - clock.nowMs());
      await expireLease(ms);
      const due = later.filter(({ at }) => at <= until);
      later = later.filter(({ at }) => at > until);
      for (const { start } of due) start();
    },
    calm() {
      isCalm = true;
      later = later.map(({ start }) => ({ at: clock.nowMs(), start }));
    },
  };

  /** Redis counts a lease by its own clock, which has not been skipped. */
  async function expireLease(ms: number): Promise<void> {
    const key = KEYS.lease('notify');
    const [left] = await wire.direct(['PTTL', key]);
    if (Number(left) < 0) return;
    const rest = Math.floor(Number(left) - ms);
    await wire.direct(rest > 0 ? ['PEXPIRE', key, String(rest)] : ['DEL', key]);
  }
}

/** What was being done by a handler that is killed. */
function stageOf({ order }: Running, scripts: readonly string[] = []): string {
  if (scripts.some((script) => COMMITTING.has(script))) return 'commit';
  return order.name === 'ip-check' ? 'check' : 'drain';
}

/** What a request tells, if it is one as it has to be. */
function readCall({ method, path, epoch, body }: Call): { epoch: number; ip: string } | undefined {
  const ip = /^\{"uuid":"([0-9a-f-]{36})","ip":"(203\.0\.113\.\d{1,3})"\}$/.exec(body);
  const asItShouldBe = method === 'POST' && path === '/ip' && /^\d{13,15}$/.test(epoch);
  if (!asItShouldBe || ip?.[1] !== LOCAL_UUID || ip[2] === undefined) return undefined;
  return { epoch: Number(epoch), ip: ip[2] };
}

/** Whether a handler took its event for none. */
function isRefusal(end: InvocationEnd): boolean {
  const answer = end.kind === 'answered' ? end.answer : undefined;
  return typeof answer === 'object' && answer !== null && 'refused' in answer;
}

function describe(end: InvocationEnd): string {
  switch (end.kind) {
    case 'answered':
      return `answers ${JSON.stringify(end.answer)}`;
    case 'killed':
      return 'was killed';
    default:
      return `${end.kind}: ${end.error}`;
  }
}

/** The members of `deliveries:due` with their scores. */
export async function readDue(lane: Lane): Promise<ReadonlyMap<string, number>> {
  const [reply] = await lane.wire.direct(['ZRANGE', KEYS.due, '0', '-1', 'WITHSCORES']);
  const flat = textsOf(reply ?? null);
  return new Map(flat.flatMap((uuid, i) => (i % 2 === 0 ? [[uuid, Number(flat[i + 1])] as const] : [])));
}
