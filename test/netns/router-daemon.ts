import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { missingForNetwork, type Network } from './network.ts';

/**
 * Options for a test that needs a network with a router that speaks NAT-PMP and PCP: skipped, with the reason, where it
 * cannot be made.
 *
 * @throws Error where CI is set: there, it must not look like a pass.
 */
export function needsRouter(): { skip?: string } {
  const missing = missingForNetwork() ?? missingForRouter();
  if (missing === undefined) return {};
  if (process.env.CI) throw new Error(`CI needs ${missing}: tests must not be skipped there.`);
  return { skip: `NEEDS ${missing}` };
}

/** Why miniupnpd cannot be started here, or undefined. */
export function missingForRouter(): string | undefined {
  const { error } = spawnSync('miniupnpd', ['--help'], { stdio: 'ignore' });
  return error === undefined ? undefined : 'miniupnpd (apt-get install miniupnpd)';
}

/** miniupnpd, the daemon that many home routers run, as the router of the network. It tells its outer address to the inside. */
export async function startRouterDaemon(
  network: Pick<Network, 'nat'>,
  folder: string,
): Promise<{ stop(): Promise<void> }> {
  const name = network.nat;
  const file = join(folder, `${name}.conf`);
  writeFileSync(
    file,
    [
      'ext_ifname=outer',
      'listening_ip=inner',
      'http_port=5555',
      'enable_natpmp=yes',
      'enable_upnp=yes',
      `uuid=${randomUUID()}`,
      'system_uptime=no',
      'allow 1-65535 192.168.77.0/24 1-65535',
      '',
    ].join('\n'),
  );
  // miniupnpd refuses to start beside another one with the same file.
  const daemon: ChildProcess = spawn(
    'ip',
    ['netns', 'exec', name, 'miniupnpd', '-d', '-f', file, '-P', join(folder, `${name}.pid`)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = once(daemon, 'exit');
  const lines: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    for (const stream of [daemon.stdout, daemon.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (lines.length < 50) lines.push(line);
        if (/Listening for NAT-PMP\/PCP traffic/.test(line)) resolve();
      });
    }
    exited.then(() => reject(new Error(`miniupnpd ended at its start:\n${lines.join('\n')}`)));
  });
  await ready;
  return {
    async stop() {
      daemon.kill('SIGTERM');
      await exited;
    },
  };
}
