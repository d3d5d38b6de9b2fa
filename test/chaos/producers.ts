import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Call, Place } from './places.ts';
import type { Random } from './random.ts';
import { reset } from './reset.ts';

/** What a producer does with a request. The word after the dash: whether it took note of the address. */
export type Behaviour =
  | 'answers'
  | 'slow'
  | 'hangs-noted'
  | 'hangs-unnoted'
  | 'resets-noted'
  | 'resets-unnoted'
  | 'error-500-noted'
  | 'error-500-unnoted'
  | 'busy-429'
  | 'busy-503'
  | 'gateway-502-noted'
  | 'gateway-504-unnoted'
  | 'redirect'
  | 'nonsense'
  | 'cut-off-noted'
  /** Takes note up to a minute after it was asked, whatever the caller has made of it by then. */
  | 'late';

/** How a producer is disposed for a while. A place that refuses is closed. */
export type Mood =
  | 'well'
  | 'slow'
  | 'refusing'
  | 'hanging'
  | 'resetting'
  | 'failing'
  | 'gateway'
  | 'odd'
  | 'mixed'
  | 'late';

const MOODS: Readonly<Record<Mood, readonly [Behaviour, ...Behaviour[]]>> = {
  well: ['answers'],
  slow: ['slow', 'slow', 'answers'],
  refusing: ['answers'],
  hanging: ['hangs-noted', 'hangs-unnoted'],
  resetting: ['resets-noted', 'resets-unnoted'],
  failing: ['error-500-noted', 'error-500-unnoted', 'busy-429', 'busy-503'],
  gateway: ['gateway-502-noted', 'gateway-504-unnoted'],
  odd: ['redirect', 'nonsense', 'cut-off-noted'],
  mixed: [
    'answers',
    'slow',
    'hangs-noted',
    'resets-noted',
    'resets-unnoted',
    'error-500-noted',
    'gateway-504-unnoted',
  ],
  late: ['late', 'late', 'answers'],
};

/** An address that took effect at a producer. */
export interface Effect {
  readonly epoch: number;
  readonly ip: string;
  /** Virtual time. */
  readonly at: number;
}

export interface Producer {
  readonly uuid: string;
  readonly name: string;
  /** Decides what it does, call by call. */
  readonly random: Random;
  /** Where it lives, and the only address under which it is ever listed. */
  home: Place;
  /** Whether `producers` holds it. */
  listed: boolean;
  mood: Mood;
  /** Everything that it ever took note of, in order. */
  readonly effects: Effect[];
}

export interface BehaviourParts {
  /** Takes note of the address now. */
  take(): void;
  /** Takes note of it after so many ms of virtual time. */
  takeLate(afterMs: number): void;
  onFault(behaviour: Behaviour): void;
}

/** Lets a producer react to a call. A slow one forgets what it was asked when the caller leaves. */
export async function react(
  producer: Producer,
  { response, alive }: Call,
  { take, takeLate, onFault }: BehaviourParts,
): Promise<void> {
  const { random } = producer;
  const behaviour = random.pick(MOODS[producer.mood]);
  if (behaviour !== 'answers') onFault(behaviour);
  if (behaviour.endsWith('-noted')) take();
  switch (behaviour) {
    case 'slow':
      await delay(random.between(10, 260));
      if (!alive()) return;
      take();
      return respond(response, 200);
    case 'answers':
      take();
      return respond(response, 200);
    case 'hangs-noted':
    case 'hangs-unnoted':
      return;
    case 'resets-noted':
    case 'resets-unnoted':
      return reset(response);
    case 'error-500-noted':
    case 'error-500-unnoted':
      return respond(response, 500);
    case 'busy-429':
      return respond(response, 429, { 'retry-after': String(random.between(0, 120)) });
    case 'busy-503':
      return respond(response, 503);
    case 'gateway-502-noted':
      return respond(response, 502);
    case 'gateway-504-unnoted':
      return respond(response, 504);
    case 'redirect':
      return respond(response, 302, { location: 'http://127.0.0.1:9/' });
    case 'nonsense':
      return void response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n');
    case 'cut-off-noted':
      response.writeHead(200, { 'content-length': '20' });
      response.write('{"ok"');
      return void delay(5).then(() => response.destroy());
    case 'late':
      takeLate(random.between(5_000, 59_000));
      if (random.chance(0.5)) reset(response);
  }
}

function respond(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (!response.destroyed) response.writeHead(status, headers).end();
}
