import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

declare const ipBrand: unique symbol;

/** An IP address as its canonical literal (RFC 5952 for v6), without zone. */
export type Ip = string & { readonly [ipBrand]: true };

export type IpFamily = 4 | 6;

/** A network: its first address and prefix length, as ipaddr.js parses them. */
export type Cidr = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Why an address is refused. */
export type IpRefusal = 'not-an-ip' | 'not-public';

/** The longest text form of an IP address (RFC 4291 with an embedded v4 part). */
const MAX_IP_LENGTH = 45;

/**
 * The canonical form of `raw` if it is an IP literal, else undefined. `net.isIP` sees the raw string first, because
 * ipaddr.js alone accepts `127.1` and reads `010.0.0.1` as octal. A zone is refused.
 */
export function parseIp(raw: unknown): Ip | undefined {
  if (typeof raw !== 'string' || raw.length > MAX_IP_LENGTH || raw.includes('%') || isIP(raw) === 0)
    return undefined;
  return ipaddr.parse(raw).toString() as Ip;
}

export function familyOf(ip: Ip): IpFamily {
  return ip.includes(':') ? 6 : 4;
}

/** A network in CIDR form, or undefined. The address part obeys `parseIp`. */
export function parseCidr(raw: string): Cidr | undefined {
  const [base, length, ...rest] = raw.split('/');
  if (rest.length > 0 || length === undefined || !/^\d{1,3}$/.test(length)) return undefined;
  const ip = parseIp(base);
  if (ip === undefined || Number(length) > (familyOf(ip) === 4 ? 32 : 128)) return undefined;
  return [ipaddr.parse(ip), Number(length)];
}

export function inCidr(ip: Ip, [base, length]: Cidr): boolean {
  const parsed = ipaddr.parse(ip);
  return parsed.kind() === base.kind() && parsed.match(base, length);
}

const GLOBAL_UNICAST_V6 = cidr('2000::/3');
/** Azure's platform address (DNS, health probes, wire server): public by range, a metadata service by use. */
const AZURE_PLATFORM = '168.63.129.16';

/**
 * Whether `ip` is an address that the public internet routes to one host. v4: what ipaddr.js calls `unicast`. v6:
 * inside 2000::/3 (the only space that IANA has allocated) and `unicast`, and no form that carries a v4 address
 * (6to4, Teredo, NAT64, mapped) or an ISATAP interface identifier (RFC 5214), through which a private v4 address
 * could be reached.
 */
export function isPublicUnicast(ip: Ip): boolean {
  const parsed = ipaddr.parse(ip);
  if (parsed.range() !== 'unicast') return false;
  if (parsed.kind() === 'ipv4') return ip !== AZURE_PLATFORM;
  return inCidr(ip, GLOBAL_UNICAST_V6) && !isIsatap(parsed as ipaddr.IPv6);
}

function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return (parts[4] === 0 || parts[4] === 0x0200) && parts[5] === 0x5efe;
}

/** A network that is known to be well-formed; throws where `parseCidr` answers undefined. */
export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a network: ${text}`);
  return parsed;
}

/**
 * The IP that a source or an operator names as this host's own: public unicast of the host's family, or inside
 * `IP_ALLOW_CIDRS`. Answers the canonical literal or why it is refused.
 */
export function parseOwnIp(
  raw: unknown,
  rules: { family: IpFamily; allow: readonly Cidr[] },
): { ip: Ip } | { refused: IpRefusal | 'wrong-family' } {
  const ip = parseIp(raw);
  if (ip === undefined) return { refused: 'not-an-ip' };
  if (familyOf(ip) !== rules.family) return { refused: 'wrong-family' };
  if (!isPublicUnicast(ip) && !rules.allow.some((range) => inCidr(ip, range)))
    return { refused: 'not-public' };
  return { ip };
}
