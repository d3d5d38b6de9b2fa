import type { PortUse } from '../ports.ts';
import { CONSUMERS, PRODUCERS, SOURCES } from './cast.ts';

/** Every port of the world, counted from one base. */
export interface WorldPorts {
  readonly control: number;
  /** Where every consumer listens, each at its own address: the `PEER_PORT` of this world. */
  readonly peer: number;
  /** In the order of `PRODUCERS`, all on 127.0.0.1. */
  readonly producers: readonly number[];
  readonly sources: readonly number[];
}

/** The control endpoint at `base`, consumers at +1, producers from +11, IP sources from +21. */
export function worldPorts(base: number): WorldPorts {
  const from = (offset: number, members: readonly unknown[]) =>
    members.map((_, index) => base + offset + index);
  return { control: base, peer: base + 1, producers: from(11, PRODUCERS), sources: from(21, SOURCES) };
}

/** `IP_SOURCES` of the demo: each loopback port counts as an operator of its own. */
export function sourceUrls({ sources }: WorldPorts): string[] {
  return sources.map((port) => `http://127.0.0.1:${port}`);
}

/** The same ports, to be probed before the start. */
export function worldPortUses({ control, peer, producers, sources }: WorldPorts): PortUse[] {
  const use = (port: number, what: string, host = '127.0.0.1'): PortUse => ({
    host,
    port,
    what,
    variable: 'LOCAL_WORLD_PORT',
  });
  return [
    use(control, "the simulated world's control"),
    ...CONSUMERS.map(({ name, ip }) => use(peer, `the consumer ${name}`, ip)),
    ...producers.map((port, index) => use(port, `the producer ${PRODUCERS[index]?.name}`)),
    ...sources.map((port, index) => use(port, `the IP ${SOURCES[index]}`)),
  ];
}
