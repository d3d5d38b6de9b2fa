import type { Redis } from '../../lib/redis/redis.ts';
import { FIRST_PUBLIC_IP } from './cast.ts';
import { callAsAnother, startConsumers } from './consumers.ts';
import { startControl } from './control.ts';
import { type Stoppable, startIpSources } from './ip-sources.ts';
import { type Knowledge, readKnowledge } from './knowledge.ts';
import type { WorldPorts } from './ports.ts';
import { type ProducerCalled, startProducers } from './producers.ts';
import { createSchedulers } from './schedulers.ts';

export type WorldEvent =
  | ProducerCalled
  | { readonly kind: 'public-ip-set'; readonly from: string; readonly to: string };

export interface World extends Stoppable {
  /** The other consumers run a round of synchronization, and the liar lies. */
  round(): Promise<void>;
  /** Who knows whom by now. */
  knowledge(): Promise<Knowledge>;
}

export interface WorldParts {
  readonly ports: WorldPorts;
  /** The Redis that all consumers share, each with a prefix of its own. */
  readonly redis: Redis;
  readonly redisUrl: string;
  readonly onEvent: (event: WorldEvent) => void;
}

/**
 * Starts the world on loopback, in this process, so that it cannot outlive it: consumers with their schedulers, producers,
 * IP sources and the control endpoint.
 */
export async function startWorld({ ports, redis, redisUrl, onEvent }: WorldParts): Promise<World> {
  let ip = FIRST_PUBLIC_IP;
  const publicIp = {
    get: () => ip,
    set: (to: string) => {
      const from = ip;
      ip = to;
      onEvent({ kind: 'public-ip-set', from, to });
    },
  };
  const servers: Stoppable[][] = await Promise.all([
    startConsumers(redis, ports.peer, publicIp.get),
    startProducers(ports.producers, onEvent),
    startIpSources(ports.sources, publicIp.get),
    startControl(ports.control, publicIp).then((server) => [server]),
  ]);
  const roundOfOthers = await createSchedulers(redis, redisUrl, ports.peer);
  return {
    async round() {
      await Promise.all([roundOfOthers(), callAsAnother(ports.peer)]);
    },
    knowledge: () => readKnowledge(redis),
    async stop() {
      await Promise.all(servers.flat().map((server) => server.stop()));
    },
  };
}
