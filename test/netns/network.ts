import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

/**
 * A small internet on this machine, in network namespaces of its own, without a way out:
 *
 * ```
 * home 192.168.77.2 ── 192.168.77.1 nat 203.0.113.10 ── 203.0.113.1 outside, with 198.51.100.0/24
 * ```
 *
 * `nat` masquerades: what `home` calls sees the address that `nat` has on its outer side, as behind any home router.
 */
export interface Network {
  readonly home: string;
  readonly outside: string;
  /** What `nat` has on its outer side at first. */
  readonly firstIp: string;
  /** Replaces the outer address of `nat`, as a provider does. */
  renumber(from: string, to: string): void;
  /** Gives the outside an address on which it can listen. */
  addOutside(ip: string): void;
  /** Removes everything. */
  remove(): void;
}

const FIRST_IP = '203.0.113.10';

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

/** Makes the network. `hosts` is what `home` resolves, name → address. */
export function createNetwork(hosts: Readonly<Record<string, string>>): Network {
  const name = (part: string) => `p2p-${process.pid}-${part}`;
  const [home, nat, outside] = [name('home'), name('nat'), name('outside')];
  const etc = `/etc/netns/${home}`;
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const inside = (namespace: string, ...args: string[]) => ip('netns', 'exec', namespace, ...args);

  const remove = () => {
    for (const namespace of [home, nat, outside]) succeeds('ip', ['netns', 'del', namespace]);
    rmSync(etc, { recursive: true, force: true });
  };

  try {
    for (const namespace of [home, nat, outside]) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'lan', 'netns', home, 'type', 'veth', 'peer', 'name', 'inner', 'netns', nat);
    ip('link', 'add', 'outer', 'netns', nat, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', outside);
    for (const [namespace, link, address] of [
      [home, 'lan', '192.168.77.2/24'],
      [nat, 'inner', '192.168.77.1/24'],
      [nat, 'outer', `${FIRST_IP}/24`],
      [outside, 'uplink', '203.0.113.1/24'],
    ] as const) {
      ip('-n', namespace, 'address', 'add', address, 'dev', link);
      ip('-n', namespace, 'link', 'set', link, 'up');
    }
    ip('-n', home, 'route', 'add', 'default', 'via', '192.168.77.1');
    ip('-n', nat, 'route', 'add', 'default', 'via', '203.0.113.1');
    inside(nat, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    inside(nat, 'nft', 'add table ip nat');
    inside(nat, 'nft', 'add chain ip nat out { type nat hook postrouting priority srcnat; }');
    inside(nat, 'nft', 'add rule ip nat out oifname "outer" masquerade');
    mkdirSync(etc, { recursive: true });
    const lines = ['127.0.0.1 localhost', ...Object.entries(hosts).map(([host, to]) => `${to} ${host}`)];
    writeFileSync(`${etc}/hosts`, `${lines.join('\n')}\n`);
  } catch (error) {
    remove();
    throw error;
  }

  return {
    home,
    outside,
    firstIp: FIRST_IP,
    renumber(from, to) {
      // In this order: the second address of a subnet would go with the first.
      ip('-n', nat, 'address', 'del', `${from}/24`, 'dev', 'outer');
      ip('-n', nat, 'address', 'add', `${to}/24`, 'dev', 'outer');
      ip('-n', nat, 'route', 'replace', 'default', 'via', '203.0.113.1');
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
