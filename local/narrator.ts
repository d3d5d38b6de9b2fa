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
  const say = (tag: Line['tag'], text: string, tone?: Line['tone']): Line => ({
    tag,
    text,
    ...(tone && { tone }),
  });
  switch (event.kind) {
    case 'round':
      return roundLine(event.summary, event.consumers, name);
    case 'candidate': {
      const from = event.from === undefined ? '' : ` from ${name(event.from)}`;
      return say(
        'sync',
        `heard of ${name(event.uuid)} (${event.address})${from}: only its own answer makes it a consumer, and there was none yet`,
      );
    }
    case 'joined':
      return say('sync', `${name(event.uuid)} (${event.address}) is a consumer now`, 'good');
    case 'ip-changed': {
      const { from, to } = event;
      const text =
        from === undefined
          ? `the public IP is ${to}: the first one seen counts as a change`
          : `the public IP changed from ${from} to ${to}`;
      return say('ip', text, 'good');
    }
    case 'ip-confirmed':
      return say('ip', `checked: still ${event.ip}`);
    case 'ip-contested':
      return say(
        'ip',
        `${event.candidate} is seen, but a source still tells the old address, or it was ours until just now: check ${event.checks} of the 3 that this takes`,
      );
    case 'ip-unknown': {
      const times = event.checks === '1' ? 'once' : `${event.checks} checks in a row`;
      return say('ip', `the sources do not settle what the address is (${times}): it stays as it is`, 'bad');
    }
    case 'told':
      return say('notify', `${name(event.uuid)} knows ${event.ip}`, 'good');
    case 'not-told': {
      const when = clock(new Date(event.nextAt));
      return say(
        'notify',
        `${name(event.uuid)} not told yet (${event.lastStatus}): again by the first IP check after ${when}`,
        'bad',
      );
    }
    case 'all-told':
      return say('notify', `this change is delivered: ${event.told} told`, 'good');
    case 'redis-lost':
      return say(
        'redis',
        'Redis does not answer: runs fail until it does, and the first one after that goes on where they stopped',
        'bad',
      );
    case 'redis-back':
      return say('redis', 'Redis answers again', 'good');
    case 'producer-called':
      return say('notify', `${event.name} got POST /ip with ${event.ip} and answered ${event.status}`);
    case 'public-ip-set':
      return say(
        'world',
        `the simulated public IP was ${event.from} and is now ${event.to}; an IP check is started at once instead of within a minute`,
      );
    case 'log': {
      const { functionName, level, message } = event;
      return say('log', `${functionName} ${level}: ${message}`, level === 'error' ? 'bad' : undefined);
    }
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
