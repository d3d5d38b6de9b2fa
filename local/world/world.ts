import { FIRST_PUBLIC_IP } from './cast.ts';
import { startConsumers } from './consumers.ts';
import { startControl } from './control.ts';
import { startIpSources } from './ip-sources.ts';
import type { WorldPorts } from './ports.ts';
import { type ProducerCalled, startProducers } from './producers.ts';
import type { WorldServer } from './server.ts';

export type WorldEvent =
  | ProducerCalled
  | { readonly kind: 'public-ip-set'; readonly from: string; readonly to: string };

/**
 * Starts the simulated world on loopback, in this process, so that it cannot outlive it: consumers, producers, IP
 * sources and the control endpoint.
 */
export async function startWorld(
  ports: WorldPorts,
  onEvent: (event: WorldEvent) => void,
): Promise<WorldServer> {
  let ip = FIRST_PUBLIC_IP;
  const publicIp = {
    get: () => ip,
    set: (to: string) => {
      const from = ip;
      ip = to;
      onEvent({ kind: 'public-ip-set', from, to });
    },
  };
  const servers = await Promise.all([
    startConsumers(ports.consumers),
    startProducers(ports.producers, onEvent),
    startIpSources(ports.sources, publicIp.get),
    startControl(ports.control, publicIp).then((server) => [server]),
  ]);
  return {
    async stop() {
      await Promise.all(servers.flat().map((server) => server.stop()));
    },
  };
}
