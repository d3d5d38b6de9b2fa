import { ConfigError } from '../lib/errors.ts';
import { createAddressPolicy } from '../lib/peers/address.ts';
import { cidr, parseIp, unmapped } from '../lib/peers/ip-space.ts';
import { parseUuid, type Uuid } from '../lib/peers/uuid.ts';
import type { Listen } from './http.ts';

/** What both reference peers need, and take from the environment beside the scheduler's own variables. */
export interface KitSettings {
  readonly listen: Listen;
  /** Addresses of your own reverse proxies. */
  readonly proxies: readonly string[];
  /** The peer's own addresses as `<ip>:<port>`; signatures are made for them. */
  readonly addresses: readonly string[];
  /** Public keys by uuid. Whoever is in here is believed only what is signed. */
  readonly keys: ReadonlyMap<Uuid, readonly string[]>;
}

/** Reads every address that a sender may dial. */
const anywhere = createAddressPolicy({ defaultPort: 80, allow: ['0.0.0.0/0', '::/0'].map(cidr) });

/**
 * - `LISTEN`: `<ip>:<port>`, or a port alone for every address of this machine; 80 by default.
 * - `PROXIES`: comma list of the addresses of your own reverse proxies.
 * - `ADDRESSES`: comma list of your own addresses, each `<ip>:<port>`, as senders know them. Required with `PEER_KEYS`.
 * - `PEER_KEYS`: comma list of `<uuid>=<whpk_…>`; a uuid may come twice.
 *
 * @throws ConfigError naming every bad variable.
 */
export function readKitSettings(env: Readonly<Record<string, string | undefined>>): KitSettings {
  const faults: string[] = [];
  const list = (name: string) =>
    (env[name] ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean);
  const [, v6, v4, port = ''] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(env.LISTEN || '80') ?? [];
  const named = v6 ?? v4;
  const host = parseIp(named);
  if (port === '' || Number(port) > 65_535 || (named !== undefined && host === undefined)) {
    faults.push('LISTEN must be a port, or <ip>:<port> ([<ip>]:<port> for IPv6)');
  }
  const keys = new Map<Uuid, string[]>();
  for (const entry of list('PEER_KEYS')) {
    const [name, key = ''] = entry.split(/=(.*)/s);
    const uuid = parseUuid(name);
    if (uuid === undefined || !/^whpk_[A-Za-z0-9+/]{43}=$/.test(key)) {
      faults.push('PEER_KEYS must be a comma list of <uuid>=<whpk_…>');
    } else {
      keys.set(uuid, [...(keys.get(uuid) ?? []), key]);
    }
  }
  const proxies = list('PROXIES').map(parseIp);
  if (proxies.includes(undefined)) faults.push('PROXIES must be a comma list of IP addresses');
  const addresses = list('ADDRESSES').map(addressOf);
  if (addresses.includes(undefined)) {
    faults.push('ADDRESSES must be a comma list of <ip>:<port> ([<ip>]:<port> for IPv6)');
  }
  if (keys.size > 0 && addresses.length === 0) {
    faults.push('ADDRESSES is required with PEER_KEYS: a signature is made for the address of who is called');
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return {
    listen: { port: Number(port), ...(host !== undefined && { host }) },
    proxies: proxies.flatMap((ip) => (ip === undefined ? [] : unmapped(ip))),
    addresses: addresses.filter((address) => address !== undefined),
    keys,
  };
}

/** The one spelling in which a signature names an address. Undefined if it has no port, or is no address. */
function addressOf(entry: string): string | undefined {
  const parsed = anywhere.parse(entry);
  const namesPort = parseIp(entry) === undefined && !entry.endsWith(']');
  return 'address' in parsed && namesPort ? parsed.address.key : undefined;
}
