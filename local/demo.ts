import { setTimeout as delay } from 'node:timers/promises';
import { createRedis } from '../lib/redis/client.ts';
import type { Redis } from '../lib/redis/redis.ts';
import { createKeys } from '../lib/store/keys.ts';
import { DEMO_TOKEN, type Stack } from './env.ts';
import type { StackEvent } from './events.ts';
import type { FunctionKey } from './lambda.ts';
import { startEmbeddedRedis } from './redis/embedded.ts';
import { startRestFace } from './redis/rest-face.ts';
import { PRODUCERS } from './world/cast.ts';
import { knownConsumers } from './world/consumers.ts';
import { worldPorts } from './world/ports.ts';
import { knownProducers } from './world/producers.ts';
import { startWorld } from './world/world.ts';

/** Registers what has to be ended, last one first. */
export type OnEnd = (end: () => Promise<void>) => void;

/** Starts the embedded Redis, its REST face and the simulated world, and writes who is known into Redis. */
export async function startDemo(
  { config, ports }: Stack,
  onEnd: OnEnd,
  onEvent: (event: StackEvent) => void,
): Promise<Redis> {
  const embedded = await startEmbeddedRedis({ port: ports.redis });
  onEnd(embedded.close);
  const face = await startRestFace({ redisUrl: embedded.url, token: DEMO_TOKEN, port: ports.rest });
  onEnd(face.close);
  const { consumers, producers, ...others } = worldPorts(ports.world);
  const world = await startWorld({ consumers, producers, ...others }, onEvent);
  onEnd(world.stop);

  const redis = createRedis(config.redis);
  onEnd(redis.close);
  const keys = createKeys(config.redis.prefix);
  await redis.send(
    [
      ['HSET', keys.consumers, ...knownConsumers(consumers)],
      ['HSET', keys.producers, ...knownProducers(producers)],
    ],
    { repeatable: true },
  );
  return redis;
}

/** A producer that is not called by then is not waited for. */
const LONGEST_WAIT_MS = 10_000;

export interface TourParts {
  readonly invoke: (name: FunctionKey) => Promise<void>;
  readonly say: (text: string) => void;
  /** Resolves when every producer was called at least once. */
  readonly allCalled: Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * What a newcomer sees without doing anything: a round, the first IP with its deliveries, the round in which the
 * consumer that was introduced joins, and a check that finds nothing new and calls nobody.
 */
export async function giveTour({ invoke, say, allCalled, signal }: TourParts): Promise<void> {
  say('first round, started now instead of by its schedule');
  await invoke('sync');
  say('first IP check, started now instead of by its schedule');
  await invoke('ip-check');
  await Promise.race([allCalled, delay(LONGEST_WAIT_MS, undefined, { signal, ref: false })]);
  say('second round: who was introduced in the first is asked now');
  await invoke('sync');
  say('second IP check: the address is the same, so no producer is called');
  await invoke('ip-check');
}

/** Counts the producers that were called: `done` resolves with the last of them. */
export function countCalled(): { done: Promise<void>; onEvent: (event: StackEvent) => void } {
  const missing = new Set(PRODUCERS.map(({ name }) => name));
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    done: promise,
    onEvent: (event) => {
      if (event.kind !== 'producer-called') return;
      missing.delete(event.name);
      if (missing.size === 0) resolve();
    },
  };
}
