import type { VirtualClock } from '../support/clock.ts';
import type { Bustle } from './bustle.ts';
import type { Containers, FunctionName, InvocationEnd, Running } from './containers.ts';
import type { Random } from './random.ts';
import { COMMITTING } from './scripts.ts';
import { count, type Tally } from './tally.ts';
import type { Passing } from './wire.ts';

/** Lambda's part: invocations that arrive, get lost, come late or twice, and are tried again when they fail. */
export interface Invocations {
  /** Whether some are still to come. */
  readonly pending: boolean;
  /** A scheduled run of `ip-check`. */
  check(): void;
  notify(event: unknown): void;
  /** `producer-notify` is invoked by a handler. Answers whether Lambda accepts it. */
  accept(payload: unknown): boolean;
  /** Begins what has become due. */
  catchUp(): void;
  /** What a handler asks of Redis, which tells what it is doing. */
  asks(passing: Passing): void;
  killOne(random: Random): void;
  /** From now on none is lost, late or doubled, and none may fail. */
  calm(): void;
}

const TIME_LIMITS_MS: Readonly<Record<FunctionName, number>> = {
  'ip-check': 50_000,
  'producer-notify': 300_000,
};
/** As Lambda does with a failed asynchronous invocation: twice, a minute and two minutes later. */
const RETRIES = 2;
const RETRY_MS = 60_000;

export function createInvocations({
  containers,
  clock,
  bustle,
  tally,
  random,
}: {
  containers: Containers;
  clock: VirtualClock;
  bustle: Bustle;
  tally: Tally;
  random: Random;
}): Invocations {
  /** The scripts of the last request of each container. */
  const asked = new Map<string, readonly string[]>();
  let later: { readonly at: number; readonly start: () => void }[] = [];
  let isCalm = false;
  let begun = 0;

  const start = (name: FunctionName, event: unknown, requestId = `request-${++begun}`, attempt = 0) => {
    tally.invocations += 1;
    bustle.note(`${name} ${requestId} begins with ${JSON.stringify(event)}`);
    const run = containers.invoke({ name, event, requestId, timeLimitMs: TIME_LIMITS_MS[name] });
    bustle.track(
      run.then((end) => {
        bustle.note(`${name} ${requestId} ${describe(end)}`);
        if (end.kind === 'died' || isRefusal(end) || (isCalm && end.kind !== 'answered')) {
          tally.findings.brokenRuns += 1;
        }
        const again = name === 'producer-notify' && end.kind !== 'answered' && attempt < RETRIES;
        if (!again || random.chance(0.3)) return;
        later.push({
          at: clock.nowMs() + RETRY_MS * (attempt + 1),
          start: () => start(name, event, requestId, attempt + 1),
        });
      }),
    );
  };
  const notify = (event: unknown) => start('producer-notify', event);

  return {
    get pending() {
      return later.length > 0;
    },
    check: () => start('ip-check', { source: 'schedule' }),
    notify,
    accept(payload) {
      const fate = isCalm
        ? 'arrives'
        : random.weighted([
            [14, 'arrives'],
            [2, 'lost'],
            [2, 'twice'],
            [1, 'late'],
            [1, 'not accepted'],
          ]);
      if (fate !== 'arrives') bustle.fault(`invocation: ${fate}`);
      if (fate === 'arrives' || fate === 'twice') notify(payload);
      if (fate === 'twice') notify(payload);
      if (fate === 'late') {
        later.push({ at: clock.nowMs() + random.between(1_000, 3_600_000), start: () => notify(payload) });
      }
      return fate !== 'not accepted';
    },
    catchUp() {
      const now = clock.nowMs();
      const due = later.filter(({ at }) => at <= now);
      later = later.filter(({ at }) => at > now);
      for (const { start } of due) start();
    },
    asks({ container, scripts }) {
      asked.set(container, scripts);
    },
    killOne(by) {
      const [first, ...rest] = containers.running;
      if (first === undefined) return;
      const victim = by.pick([first, ...rest]);
      const stage = stageOf(victim, asked.get(victim.container));
      count(tally.kills, stage);
      bustle.note(`KILL of ${victim.order.name} ${victim.order.requestId} in a ${stage}`);
      containers.kill(victim);
    },
    calm() {
      isCalm = true;
      later = later.map(({ start }) => ({ at: clock.nowMs(), start }));
    },
  };
}

/** What was being done by a handler that is killed. */
function stageOf({ order }: Running, scripts: readonly string[] = []): string {
  if (scripts.some((script) => COMMITTING.has(script))) return 'commit';
  return order.name === 'ip-check' ? 'check' : 'drain';
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
