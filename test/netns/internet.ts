import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

/**
 * An internet of public addresses on this machine: a router in the middle, and a network namespace of its own for each
 * that takes part. What is sent to an address that nobody has is dropped without a word, as it mostly is out there.
 *
 * ```
 * place 11.1.0.10 ──┐
 * place 11.2.0.10 ──┼── router
 * place 11.3.0.10 ──┘
 * ```
 *
 * 11.0.0.0/8 is public unicast by every rule of the project, and routed nowhere on the real internet.
 */
export interface Internet {
  /** Makes a place with these addresses, and answers the name of its namespace. */
  addPlace(name: string, ips: readonly string[]): string;
  /** Replaces one address of a place, as a provider does. */
  renumber(name: string, from: string, to: string): void;
  /** From now on nothing goes between these and all other places. */
  cutOff(names: readonly string[]): void;
  /** Everything goes again. */
  heal(): void;
  /** Removes everything. */
  remove(): void;
}

/** The router's end of every line: each place has it as its gateway. */
const GATEWAY = '169.254.1.1';
let internets = 0;

/** Makes it. `hosts` is what every place resolves, name → address. */
export function createInternet(hosts: Readonly<Record<string, string>>): Internet {
  internets += 1;
  const prefix = `p2p-${process.pid}-i${internets}`;
  const router = `${prefix}-router`;
  const places = new Map<string, { namespace: string; line: string; ips: Set<string> }>();
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const inRouter = (...args: string[]) => ip('netns', 'exec', router, ...args);

  const remove = () => {
    for (const namespace of [...[...places.values()].map((place) => place.namespace), router]) {
      try {
        ip('netns', 'del', namespace);
      } catch {
        // It was not made.
      }
      rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
    }
  };
  const place = (name: string) => {
    const found = places.get(name);
    if (found === undefined) throw new Error(`There is no place ${name}`);
    return found;
  };
  const route = (address: string, line: string) =>
    ip('-n', router, 'route', 'replace', `${address}/32`, 'dev', line);

  try {
    ip('netns', 'add', router);
    ip('-n', router, 'link', 'set', 'lo', 'up');
    ip('-n', router, 'route', 'add', 'blackhole', 'default');
    inRouter('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    inRouter('nft', 'add table ip cut');
    inRouter('nft', 'add set ip cut off { type ipv4_addr; }');
    inRouter('nft', 'add chain ip cut forward { type filter hook forward priority 0; }');
    inRouter('nft', 'add rule ip cut forward ip saddr @off ip daddr != @off drop');
    inRouter('nft', 'add rule ip cut forward ip saddr != @off ip daddr @off drop');
  } catch (error) {
    remove();
    throw error;
  }

  return {
    addPlace(name, ips) {
      const namespace = `${prefix}-${name}`;
      const line = `line${places.size}`;
      places.set(name, { namespace, line, ips: new Set(ips) });
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('link', 'add', 'eth0', 'netns', namespace, 'type', 'veth', 'peer', 'name', line, 'netns', router);
      ip('-n', router, 'address', 'add', `${GATEWAY}/32`, 'dev', line);
      ip('-n', router, 'link', 'set', line, 'up');
      ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      for (const address of ips) {
        ip('-n', namespace, 'address', 'add', `${address}/32`, 'dev', 'eth0');
        route(address, line);
      }
      ip('-n', namespace, 'route', 'add', GATEWAY, 'dev', 'eth0');
      ip('-n', namespace, 'route', 'add', 'default', 'via', GATEWAY, 'dev', 'eth0');
      const etc = `/etc/netns/${namespace}`;
      mkdirSync(etc, { recursive: true });
      const lines = ['127.0.0.1 localhost', ...Object.entries(hosts).map(([host, to]) => `${to} ${host}`)];
      writeFileSync(`${etc}/hosts`, `${lines.join('\n')}\n`);
      return namespace;
    },
    renumber(name, from, to) {
      const { namespace, line, ips } = place(name);
      ips.delete(from);
      ips.add(to);
      ip('-n', router, 'route', 'del', `${from}/32`, 'dev', line);
      ip('-n', namespace, 'address', 'del', `${from}/32`, 'dev', 'eth0');
      ip('-n', namespace, 'address', 'add', `${to}/32`, 'dev', 'eth0');
      route(to, line);
      // Both went with the last address.
      ip('-n', namespace, 'route', 'replace', GATEWAY, 'dev', 'eth0');
      ip('-n', namespace, 'route', 'replace', 'default', 'via', GATEWAY, 'dev', 'eth0');
    },
    cutOff(names) {
      const ips = names.flatMap((name) => [...place(name).ips]);
      inRouter('nft', `add element ip cut off { ${ips.join(', ')} }`);
    },
    heal: () => void inRouter('nft', 'flush set ip cut off'),
    remove,
  };
}
