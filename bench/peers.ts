import { forkChild } from './children.ts';
import type { PeersMessage, PeersStats } from './peers-server.ts';
import type { Ports } from './world.ts';

/** The simulated peers, in a process of their own. */
export interface Peers {
  readonly ports: Ports;
  /** What happened since it was last asked. */
  stats(): Promise<PeersStats>;
  end(): Promise<void>;
}

export async function startPeers(): Promise<Peers> {
  const { child, first } = await forkChild<object, PeersMessage>(
    new URL('./peers-server.ts', import.meta.url),
  );
  if (first.kind !== 'ready') throw new Error('the peers answered before they were ready');
  return {
    ports: first.ports,
    stats: async () => {
      const message = await child.ask({});
      if (message.kind !== 'stats')
        throw new Error('the peers answered something else than their statistics');
      return message.stats;
    },
    end: child.end,
  };
}
