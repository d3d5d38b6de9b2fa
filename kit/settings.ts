import { ConfigError } from '../lib/errors.ts';
import { parseIp } from '../lib/peers/ip-space.ts';
import { parseUuid, type Uuid } from '../lib/peers/uuid.ts';
import type { Listen } from './http.ts';

/** What both reference peers take from the environment, beside the scheduler's own variables. */
export interface KitSettings {
  readonly listen: Listen;
  readonly proxies: readonly string[];
  readonly addresses: readonly string[];
  readonly keys: ReadonlyMap<Uuid, readonly string[]>;
}

/**
 * - `LISTEN`: `<ip>:<port>`, or a port alone for every address of this machine; 80 by default.
 * - `PROXIES`: comma list of the addresses of your own reverse proxies.
 * - `ADDRESSES`: comma list of your own addresses, each `<ip>:<port>`, as senders know them.
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
  const [, host, port = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(env.LISTEN || '80') ?? [];
  if (port === '' || Number(port) > 65_535) faults.push('LISTEN must be a port, or <ip>:<port>');
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
  const addresses = list('ADDRESSES');
  if (addresses.some((entry) => !/^.+:\d{1,5}$/.test(entry))) {
    faults.push('ADDRESSES must be a comma list of <ip>:<port>');
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return {
    listen: { port: Number(port), ...(host !== undefined && { host: host.replace(/^\[|\]$/g, '') }) },
    proxies: proxies.filter((ip) => ip !== undefined),
    addresses,
    keys,
  };
}
