import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Owner } from '../support/owner.ts';
import { createCertificate } from './certificate.ts';
import { type Inhabitant, startInhabitant } from './inhabitant.ts';
import { createNetwork, type Network } from './network.ts';
import { startRouterDaemon } from './router-daemon.ts';

const SOURCES = {
  'ip.alpha.test': '198.51.100.11',
  'ip.beta.test': '198.51.100.12',
  'ip.gamma.test': '198.51.100.13',
};
const PRODUCERS_IP = '198.51.100.21';
const FIRST_PORT = 8_000;

/** A request that somebody outside got. */
export interface Call {
  readonly to: string;
  readonly from: string;
  /** `source` for a question for the address. */
  readonly path: string;
  readonly body: string;
  /** `Date.now()` when it was whole. */
  readonly at: number;
}

/** One host process of the scene. */
export interface SceneHost {
  readonly uuid: string;
  readonly lines: readonly string[];
  /** Resolves with the line that is the `count`-th to match. */
  line(pattern: RegExp, count?: number): Promise<string>;
  /** Resolves, with the calls, when each producer has been told this address. */
  told(ip: string): Promise<readonly Call[]>;
  /** Runs an operator's command with this host's environment; what it writes to stdout. */
  p2p(...args: string[]): Promise<string>;
  /** Resident memory. */
  residentKb(): Promise<number>;
  stop(): Promise<void>;
}

/** A network with sources and producers outside, and a machine at home. */
export interface Scene {
  readonly network: Network;
  /** What everybody outside got so far. */
  readonly calls: readonly Call[];
  startHost(env?: Readonly<Record<string, string>>): Promise<SceneHost>;
  /** Resolves when it holds; asked after each call and each line of a log. */
  until(holds: () => boolean): Promise<void>;
  /** Starts a script in the namespace of the router. Stopped with the scene. */
  inRouter(script: string): Promise<Inhabitant>;
}

export interface SceneOptions {
  readonly producers: number;
  /** Whether home is behind a router (default), and what that runs. */
  readonly router?: 'miniupnpd' | 'silent' | 'none';
}

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Makes a scene, and removes it after the test. Guard the test with `needsRouter()` or `needsNetwork()`. */
export async function openScene(t: Owner, { producers, router = 'miniupnpd' }: SceneOptions): Promise<Scene> {
  const ends: (() => unknown)[] = [];
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const folder = mkdtempSync(join(tmpdir(), 'p2p-netns-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const { ca, cert, key } = createCertificate(folder, Object.keys(SOURCES));
  const network = createNetwork(SOURCES, { router: router !== 'none' });
  ends.push(network.remove);
  if (router === 'miniupnpd') ends.push((await startRouterDaemon(network, folder)).stop);

  const calls: Call[] = [];
  const lines = new Map<string, string[]>();
  const news = new EventEmitter();
  news.setMaxListeners(0);
  const outside = await startInhabitant(network.outside, script('outside.ts'), {
    onReport: (call) => {
      calls.push(call as Call);
      news.emit('news');
    },
  });
  ends.push(outside.stop);
  for (const ip of [...Object.values(SOURCES), PRODUCERS_IP]) network.addOutside(ip);
  for (const ip of Object.values(SOURCES)) await outside.call('source', ip, key, cert);
  const ports = Array.from({ length: producers }, (_, n) => FIRST_PORT + n);
  for (const port of ports) await outside.call('peer', PRODUCERS_IP, port);

  const home = await startInhabitant(network.home, script('host.ts'), {
    env: { NODE_EXTRA_CA_CERTS: ca },
    onReport: (report) => {
      const { host, line } = report as { host: string; line: string };
      lines.get(host)?.push(line);
      news.emit('news');
    },
  });
  ends.push(home.stop);

  const until = async (holds: () => boolean) => {
    while (!holds()) await once(news, 'news');
  };
  return {
    network,
    calls,
    until,
    async inRouter(name) {
      const inhabitant = await startInhabitant(network.nat, script(name), {});
      ends.push(inhabitant.stop);
      return inhabitant;
    },
    async startHost(env = {}) {
      const uuid = randomUUID();
      const own: string[] = [];
      lines.set(uuid, own);
      const entries = ports.flatMap((port) => [randomUUID(), `${PRODUCERS_IP}:${port}`]);
      await home.call('command', uuid, 'HSET', 'producers', ...entries);
      const sources = Object.keys(SOURCES).map((host) => `https://${host}`);
      const all = { LOCAL_UUID: uuid, IP_SOURCES: sources.join(','), ...env };
      await home.call('host', uuid, all);
      const callsOf = (ip: string) => {
        const body = JSON.stringify({ uuid, ip });
        return calls.filter((call) => call.path === '/ip' && call.body === body);
      };
      return {
        uuid,
        lines: own,
        async line(pattern, count = 1) {
          const found = () => own.filter((line) => pattern.test(line))[count - 1];
          await until(() => found() !== undefined);
          return found() ?? '';
        },
        async told(ip) {
          await until(() => new Set(callsOf(ip).map(({ to }) => to)).size === producers);
          return callsOf(ip);
        },
        p2p: async (...args) => String(await home.call('p2p', uuid, all, ...args)),
        residentKb: async () => Number(await home.call('residentKb', uuid)),
        stop: async () => {
          await home.call('stopHost', uuid);
        },
      };
    },
  };
}
