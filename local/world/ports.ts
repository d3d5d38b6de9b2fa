import type { PortUse } from '../ports.ts';
import { CONSUMERS, PRODUCERS, SOURCES } from './cast.ts';

/** Every port of the simulated world, counted from one base. */
export interface WorldPorts {
  readonly control: number;
  /** In the order of `CONSUMERS`; the one that is down has one too, at which nothing may listen. */
  readonly consumers: readonly number[];
  readonly producers: readonly number[];
  readonly sources: readonly number[];
}

/** The control endpoint at `base`, consumers from +1, producers from +11, IP sources from +21. */
export function worldPorts(base: number): WorldPorts {
  const from = (offset: number, members: readonly unknown[]) =>
    members.map((_, index) => base + offset + index);
  return {
    control: base,
    consumers: from(1, CONSUMERS),
    producers: from(11, PRODUCERS),
    sources: from(21, SOURCES),
  };
}

/** `IP_SOURCES` of the demo: each loopback port counts as an operator of its own. */
export function sourceUrls({ sources }: WorldPorts): string[] {
  return sources.map((port) => `http://127.0.0.1:${port}`);
}

/** The same ports, to be probed before the start. */
export function worldPortUses({ control, consumers, producers, sources }: WorldPorts): PortUse[] {
  const use = (port: number, what: string): PortUse => ({ port, what, variable: 'LOCAL_WORLD_PORT' });
  return [
    use(control, "the simulated world's control"),
    ...consumers.map((port, index) => use(port, `the consumer ${CONSUMERS[index]?.name}`)),
    ...producers.map((port, index) => use(port, `the producer ${PRODUCERS[index]?.name}`)),
    ...sources.map((port, index) => use(port, `the IP ${SOURCES[index]}`)),
  ];
}
