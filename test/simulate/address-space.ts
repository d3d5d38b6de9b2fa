import type { Random } from '../chaos/random.ts';

/** Where the simulated world lives: public v4 addresses, each network of 256 used once. */
export interface AddressSpace {
  /** An address that nobody has had, in the same /16 as `near` if that is given. */
  fresh(near?: string): string;
}

/** First octets of what is given to consumers; what lies above is nobody's, ever. */
const GIVEN = { from: 20, to: 99 };
const NOBODYS = { from: 101, to: 126 };

export function createAddressSpace(random: Random): AddressSpace {
  const nets = new Set<string>();
  return {
    fresh(near) {
      for (;;) {
        const wide =
          near === undefined
            ? `${random.between(GIVEN.from, GIVEN.to)}.${random.between(0, 255)}`
            : near.split('.', 2).join('.');
        const net = `${wide}.${random.between(0, 255)}`;
        if (nets.has(net)) continue;
        nets.add(net);
        return `${net}.${random.between(1, 254)}`;
      }
    },
  };
}

/** An address at which nobody ever listens; with `net` (0 to 255) one of 254 in the same network of 256. */
export function nobodysAddress(random: Random, net?: number): string {
  const first = net === undefined ? random.between(NOBODYS.from, NOBODYS.to - 1) : NOBODYS.to;
  const third = net ?? random.between(0, 255);
  return `${first}.${net === undefined ? random.between(0, 255) : 0}.${third}.${random.between(1, 254)}`;
}

/** Whether two addresses are in one /16, which a round takes for its own network. */
export function areNear(one: string, other: string): boolean {
  return one.split('.', 2).join('.') === other.split('.', 2).join('.');
}

/** Whether an address is one of those at which nobody ever listens. */
export function isNobodys(ip: string): boolean {
  return Number(ip.slice(0, ip.indexOf('.'))) >= NOBODYS.from;
}

export function randomUuid(random: Random): string {
  const hex = (digits: number) =>
    Math.floor(random.next() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
}
