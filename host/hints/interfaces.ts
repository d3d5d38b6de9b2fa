import type { networkInterfaces } from 'node:os';
import { cidr, familyOf, type Ip, type IpFamily, inAnyCidr, parseIp } from '../../lib/peers/ip-space.ts';

type Interfaces = ReturnType<typeof networkInterfaces>;

/** An address of one of this machine's interfaces that are up. */
export interface LocalAddress {
  readonly interface: string;
  readonly ip: Ip;
}

/** Addresses that reach no further than the next machine: nobody calls us there. */
const LINK_LOCAL = [cidr('169.254.0.0/16'), cidr('fe80::/10')];

/** The addresses of a family by which this machine may be reached from others, in a stable order. */
export function localAddresses(family: IpFamily, interfaces: Interfaces): LocalAddress[] {
  return Object.entries(interfaces)
    .flatMap(([name, addresses = []]) =>
      addresses.flatMap(({ address, internal }) => {
        const ip = internal ? undefined : parseIp(address);
        return ip === undefined ? [] : [{ interface: name, ip }];
      }),
    )
    .filter(({ ip }) => familyOf(ip) === family && !inAnyCidr(ip, LINK_LOCAL))
    .toSorted((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0));
}

/** What is wrong with `BIND_ADDRESS`, if this machine does not have it. Loopback counts as well: tests use it. */
export function bindAddressFault(bindAddress: Ip, interfaces: Interfaces): string | undefined {
  const all = Object.values(interfaces).flatMap((addresses = []) => addresses);
  if (all.some(({ address }) => parseIp(address) === bindAddress)) return undefined;
  const others = localAddresses(familyOf(bindAddress), interfaces).map(({ ip }) => ip);
  const has = others.length === 0 ? `none of IPv${familyOf(bindAddress)} now` : others.join(', ');
  return `BIND_ADDRESS ${bindAddress} is no address of this machine. It has ${has}.`;
}
