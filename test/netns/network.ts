import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

/**
 * A small internet on this machine, in network namespaces of its own, without a way out:
 *
 * ```
 * router:    home 192.168.77.2 ── 192.168.77.1 nat 11.22.33.10 ── 11.22.33.1 outside, with 198.51.100.0/24
 * no router: home 11.22.33.10 ─────────────────────────────────── 11.22.33.1 outside, with 198.51.100.0/24
 * ```
 *
 * `nat` masquerades: what `home` calls sees the address that `nat` has on its outer side, as behind any home router.
 * 11.0.0.0/8 is public and nobody's on the real internet: miniupnpd tells no address of a documentation range.
 */
export interface Network {
  readonly home: string;
  /** The namespace of the router; that of `home` where there is none. */
  readonly nat: string;
  readonly outside: string;
  /** The address that the outside sees at first. */
  readonly firstIp: string;
  /** Replaces the address that the outside sees, as a provider does. */
  renumber(from: string, to: string): void;
  /** Gives `home` a second address beside its own, or takes it away. */
  alias(change: 'add' | 'del', ip: string): void;
  /** Cuts the cable of `home`, or plugs it in again. Without a router its address is gone with it. */
  plug(state: 'in' | 'out', ip?: string): void;
  /** Cuts the cable between `nat` and the outside, or plugs it in again. */
  plugUplink(state: 'in' | 'out'): void;
  /** Gives the outside an address on which it can listen. */
  addOutside(ip: string): void;
  /** Removes everything. */
  remove(): void;
}

const FIRST_IP = '11.22.33.10';
const UPSTREAM = '11.22.33.1';
const GATEWAY = '192.168.77.1';
const HOME_IP = '192.168.77.2';

/** Why no network can be made here, or undefined. */
export function missingForNetwork(): string | undefined {
  if (process.geteuid?.() !== 0) return 'root';
  for (const tool of [
    ['ip', '-V'],
    ['nft', '--version'],
    ['openssl', 'version'],
  ]) {
    const [name = '', ...args] = tool;
    if (!succeeds(name, args)) return `${name} (apt-get install iproute2 nftables openssl)`;
  }
  const probe = `p2p-${process.pid}-probe`;
  if (!succeeds('ip', ['netns', 'add', probe])) return 'the right to make network namespaces';
  execFileSync('ip', ['netns', 'del', probe]);
  return undefined;
}

/**
 * Options for a test that needs such a network: skipped, with the reason, where it cannot be made.
 *
 * @throws Error where CI is set: there, it must not look like a pass.
 */
export function needsNetwork(): { skip?: string } {
  const missing = missingForNetwork();
  if (missing === undefined) return {};
  if (process.env.CI) throw new Error(`CI needs ${missing}: tests must not be skipped there.`);
  return { skip: `NEEDS ${missing}` };
}

let networks = 0;

/** Makes the network. `hosts` is what `home` resolves, name → address. */
export function createNetwork(
  hosts: Readonly<Record<string, string>>,
  { router = true }: { router?: boolean } = {},
): Network {
  networks += 1;
  const name = (part: string) => `p2p-${process.pid}-${networks}-${part}`;
  const [home, outside] = [name('home'), name('outside')];
  const nat = router ? name('nat') : home;
  const spaces = router ? [home, nat, outside] : [home, outside];
  const etc = `/etc/netns/${home}`;
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const inside = (namespace: string, ...args: string[]) => ip('netns', 'exec', namespace, ...args);
  const give = (namespace: string, link: string, address: string) => {
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', link);
    ip('-n', namespace, 'link', 'set', link, 'up');
  };
  const routeOut = () => ip('-n', nat, 'route', 'replace', 'default', 'via', UPSTREAM);

  const remove = () => {
    for (const namespace of spaces) succeeds('ip', ['netns', 'del', namespace]);
    rmSync(etc, { recursive: true, force: true });
  };

  try {
    for (const namespace of spaces) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'outer', 'netns', nat, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', outside);
    give(nat, 'outer', FIRST_IP);
    give(outside, 'uplink', UPSTREAM);
    routeOut();
    if (router) {
      ip('link', 'add', 'lan', 'netns', home, 'type', 'veth', 'peer', 'name', 'inner', 'netns', nat);
      give(home, 'lan', HOME_IP);
      give(nat, 'inner', GATEWAY);
      ip('-n', home, 'route', 'add', 'default', 'via', GATEWAY);
      inside(nat, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
      inside(nat, 'nft', 'add table ip nat');
      inside(nat, 'nft', 'add chain ip nat out { type nat hook postrouting priority srcnat; }');
      inside(nat, 'nft', 'add rule ip nat out oifname "outer" masquerade');
    }
    mkdirSync(etc, { recursive: true });
    const lines = ['127.0.0.1 localhost', ...Object.entries(hosts).map(([host, to]) => `${to} ${host}`)];
    writeFileSync(`${etc}/hosts`, `${lines.join('\n')}\n`);
  } catch (error) {
    remove();
    throw error;
  }

  return {
    home,
    nat,
    outside,
    firstIp: FIRST_IP,
    renumber(from, to) {
      // In this order: the second address of a subnet would go with the first.
      ip('-n', nat, 'address', 'del', `${from}/24`, 'dev', 'outer');
      ip('-n', nat, 'address', 'add', `${to}/24`, 'dev', 'outer');
      routeOut();
    },
    alias: (change, address) =>
      void ip('-n', home, 'address', change, `${address}/24`, 'dev', router ? 'lan' : 'outer'),
    plug(state, address) {
      const link = router ? 'lan' : 'outer';
      if (state === 'out') {
        ip('-n', home, 'link', 'set', link, 'down');
        ip('-n', home, 'address', 'flush', 'dev', link);
        return;
      }
      give(home, link, address ?? (router ? HOME_IP : FIRST_IP));
      if (router) ip('-n', home, 'route', 'add', 'default', 'via', GATEWAY);
      else routeOut();
    },
    plugUplink(state) {
      ip('-n', outside, 'link', 'set', 'uplink', state === 'in' ? 'up' : 'down');
    },
    addOutside: (address) => ip('-n', outside, 'address', 'add', `${address}/32`, 'dev', 'lo'),
    remove,
  };
}

function succeeds(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
