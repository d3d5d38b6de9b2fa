import { setTimeout as delay } from 'node:timers/promises';
import { createRedis } from '../lib/redis/client.ts';
import type { Redis } from '../lib/redis/redis.ts';
import { createKeys } from '../lib/store/keys.ts';
import { DEMO_TOKEN, type Stack } from './env.ts';
import type { StackEvent } from './events.ts';
import type { FunctionKey } from './lambda.ts';
import { startEmbeddedRedis } from './redis/embedded.ts';
import { startRestFace } from './redis/rest-face.ts';
import { memberOf, PRODUCERS, YOU } from './world/cast.ts';
import { worldPorts } from './world/ports.ts';
import { knownProducers } from './world/producers.ts';
import { startWorld, type World } from './world/world.ts';

/** Registers what has to be ended, last one first. */
export type OnEnd = (end: () => Promise<void>) => void;

export interface Demo {
  readonly redis: Redis;
  readonly world: World;
  /** Resolves when the embedded Redis has ended. */
  readonly redisEnded: Promise<void>;
}

/** Starts the embedded Redis, its REST face and the world, and writes who is known at first into Redis. */
export async function startDemo(
  { config, ports }: Stack,
  onEnd: OnEnd,
  onEvent: (event: StackEvent) => void,
): Promise<Demo> {
  const embedded = await startEmbeddedRedis({ port: ports.redis });
  onEnd(embedded.close);
  const face = await startRestFace({ redisUrl: embedded.url, token: DEMO_TOKEN, port: ports.rest });
  onEnd(face.close);
  const redis = createRedis(config.redis);
  onEnd(redis.close);
  // The world's own connection: what happens there is no call to the REST face.
  const direct = createRedis({ url: embedded.url });
  onEnd(direct.close);
  const keys = createKeys(config.redis.prefix);
  const places = worldPorts(ports.world);
  await redis.send(
    [
      ['HSET', keys.consumers, ...YOU.knows.map(memberOf).flatMap(({ uuid, ip }) => [uuid, ip])],
      ['HSET', keys.producers, ...knownProducers(places.producers)],
    ],
    { repeatable: true },
  );
  const world = await startWorld({ ports: places, redis: direct, redisUrl: embedded.url, onEvent });
  onEnd(world.stop);
  return { redis, world, redisEnded: embedded.exited };
}

/** A producer that is not called by then is not waited for. */
const LONGEST_WAIT_MS = 10_000;

export interface TourParts {
  readonly invoke: (name: FunctionKey) => Promise<void>;
  /** A round of everybody at once: the functions', and the other consumers' own. Shows who knows whom afterwards. */
  readonly roundOfAll: () => Promise<void>;
  readonly say: (text: string) => void;
  /** Resolves when every producer was called at least once. */
  readonly allCalled: Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * What a newcomer sees without doing anything: rounds in which a network forms, the first IP with its deliveries, and a
 * check that finds nothing new and calls nobody.
 */
export async function giveTour({ invoke, roundOfAll, say, allCalled, signal }: TourParts): Promise<void> {
  say('first round, started now instead of by its schedule');
  await roundOfAll();
  say('first IP check, started now instead of by its schedule');
  await invoke('ip-check');
  await Promise.race([allCalled, delay(LONGEST_WAIT_MS, undefined, { signal, ref: false })]);
  say('second round: who was introduced in the first is asked now');
  await roundOfAll();
  say('third round');
  await roundOfAll();
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
