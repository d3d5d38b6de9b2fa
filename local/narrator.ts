import { readRounds } from '../report/read/rounds.ts';
import { tallyText } from '../report/text/count.ts';
import { roundWords } from '../report/words.ts';
import type { ConsumerState, StackEvent } from './events.ts';
import { clock, type Line } from './terminal.ts';

/** uuid → name, of those who have one. */
export type Names = ReadonlyMap<string, string>;

/** What an event means to somebody who sees this program for the first time. Pure. */
export function narrate(event: StackEvent, names: Names): Line {
  const name = (uuid: string) => names.get(uuid) ?? uuid;
  switch (event.kind) {
    case 'round':
      return roundLine(event.summary, event.consumers, name);
    case 'candidate':
      return {
        tag: 'sync',
        text: `heard of ${name(event.uuid)} (${event.address})${event.from === undefined ? '' : ` from ${name(event.from)}`}: only its own answer makes it a consumer, and there was none yet`,
      };
    case 'joined':
      return {
        tag: 'sync',
        text: `${name(event.uuid)} (${event.address}) is a consumer now`,
        tone: 'good',
      };
    case 'ip-changed':
      return {
        tag: 'ip',
        text:
          event.from === undefined
            ? `the public IP is ${event.to}: the first one seen counts as a change`
            : `the public IP changed from ${event.from} to ${event.to}`,
        tone: 'good',
      };
    case 'ip-confirmed':
      return { tag: 'ip', text: `checked: still ${event.ip}` };
    case 'ip-contested':
      return {
        tag: 'ip',
        text: `${event.candidate} is seen, but a source still tells the old address, or it was ours until just now: check ${event.checks} of the 3 that this takes`,
      };
    case 'ip-unknown':
      return {
        tag: 'ip',
        text: `the sources do not settle what the address is (${event.checks === '1' ? 'once' : `${event.checks} checks in a row`}): it stays as it is`,
        tone: 'bad',
      };
    case 'told':
      return { tag: 'notify', text: `${name(event.uuid)} knows ${event.ip}`, tone: 'good' };
    case 'not-told':
      return {
        tag: 'notify',
        text: `${name(event.uuid)} not told yet (${event.lastStatus}): again by the first IP check after ${clock(new Date(event.nextAt))}`,
        tone: 'bad',
      };
    case 'all-told':
      return { tag: 'notify', text: `this change is delivered: ${event.told} told`, tone: 'good' };
    case 'redis-lost':
      return {
        tag: 'redis',
        text: 'Redis does not answer: runs fail until it does, and the first one after that goes on where they stopped',
        tone: 'bad',
      };
    case 'redis-back':
      return { tag: 'redis', text: 'Redis answers again', tone: 'good' };
    case 'producer-called':
      return {
        tag: 'notify',
        text: `${event.name} got POST /ip with ${event.ip} and answered ${event.status}`,
      };
    case 'public-ip-set':
      return {
        tag: 'world',
        text: `the simulated public IP was ${event.from} and is now ${event.to}; an IP check is started at once instead of within a minute`,
      };
    case 'log':
      return {
        tag: 'log',
        text: `${event.functionName} ${event.level}: ${event.message}`,
        ...(event.level === 'error' && { tone: 'bad' as const }),
      };
  }
}

function roundLine(
  summary: ReadonlyMap<string, string>,
  consumers: readonly ConsumerState[] | undefined,
  name: (uuid: string) => string,
): Line {
  if (consumers === undefined || consumers.length === 0) {
    const [round] = readRounds([['0-1', [...summary].flat()]], 0);
    const words = round === undefined ? [] : [roundWords(round), tallyText(round.states)].filter(Boolean);
    return { tag: 'sync', text: ['round finished', ...words].join('; ') };
  }
  const width = Math.max(...consumers.map(({ uuid }) => name(uuid).length));
  return {
    tag: 'sync',
    text: `round finished, each consumer that was due was sent POST /sync: ${countStates(consumers)}`,
    details: consumers.map(
      ({ uuid, address, state, lastError }) =>
        `${name(uuid).padEnd(width)}  ${state.padEnd(7)}  ${address}${state !== 'alive' && lastError !== undefined ? ` (${lastError})` : ''}`,
    ),
  };
}

function countStates(consumers: readonly ConsumerState[]): string {
  const counts = new Map<string, number>();
  for (const { state } of consumers) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
}
