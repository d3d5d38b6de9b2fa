import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../host/bundle.ts';
import type { Owner } from '../support/owner.ts';
import { createCertificate } from './certificate.ts';
import { type Inhabitant, startInhabitant } from './inhabitant.ts';
import { createInternet, type Internet } from './internet.ts';
import { lineOf, type Member, startIn, startMember } from './member.ts';

const SOURCES = {
  'ip.alpha.test': '11.200.0.11',
  'ip.beta.test': '11.200.0.12',
  'ip.gamma.test': '11.200.0.13',
};
const LIAR_IP = '11.201.0.10';

/** A network of consumers, each with a Redis, an API and a host of its own, and of producers. */
export interface PeerNetwork {
  readonly internet: Internet;
  readonly members: readonly Member[];
  /** What was told: producer address → consumer uuid → the last address. */
  readonly told: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly intervalMs: number;
  readonly checkMs: number;
  /** Gives a member an address that nobody had. */
  move(member: Member): void;
  /** Has a place of its own answer and call in the name of this uuid, and name these. */
  lie(uuid: string, consumers: readonly { uuid: string; ip: string }[]): Promise<() => Promise<void>>;
  /** Whether everybody knows everybody else where it lives, and holds it alive. */
  knowsAll(among?: readonly Member[]): Promise<boolean>;
  /** Waits until it holds. Answers after how many ms, or undefined if it does not within the time. */
  until(holds: () => Promise<boolean> | boolean, withinMs: number): Promise<number | undefined>;
}

export interface PeerNetworkOptions {
  readonly members: number;
  readonly producers: number;
  readonly intervalMs: number;
  readonly checkMs: number;
}

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const LOOK_MS = 100;

/**
 * Starts it: every second API and producer is the one in Python. Each member but the first is introduced to the first, which
 * knows nobody. The hosts start last and all at once.
 */
export async function openPeerNetwork(t: Owner, options: PeerNetworkOptions): Promise<PeerNetwork> {
  const ends: (() => unknown)[] = [];
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const folder = mkdtempSync(join(tmpdir(), 'p2p-network-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const host = join(folder, 'p2p-scheduler.mjs');
  await bundle(host);
  const { ca, cert, key } = createCertificate(folder, Object.keys(SOURCES));
  const internet = createInternet(SOURCES);
  ends.push(internet.remove);

  const producers = Array.from({ length: options.producers }, (_, n) => `11.210.${n}.10`);
  const outside = internet.addPlace('outside', [...Object.values(SOURCES), ...producers]);
  const sources = await startInhabitant(outside, script('outside.ts'), {});
  ends.push(sources.stop);
  for (const ip of Object.values(SOURCES)) await sources.call('source', ip, key, cert);
  const told = new Map(producers.map((ip) => [ip, new Map<string, string>()]));
  await startProducers(outside, producers, told, ends);

  const env = {
    NODE_EXTRA_CA_CERTS: ca,
    IP_SOURCES: Object.keys(SOURCES)
      .map((name) => `https://${name}`)
      .join(','),
    SYNC_INTERVAL_MS: String(options.intervalMs),
    IP_CHECK_INTERVAL_MS: String(options.checkMs),
  };
  const members: Member[] = [];
  for (let n = 0; n < options.members; n++) {
    const [name, ip] = [`c${n + 1}`, `11.${n + 1}.0.10`];
    const namespace = internet.addPlace(name, [ip]);
    const language = n % 2 === 0 ? 'TypeScript' : 'Python';
    const member = await startMember({ name, namespace, ip, language, folder, bundle: host, env });
    ends.push(member.stop);
    members.push(member);
    await member.redis.hset('{p2p}:producers', ...producers.flatMap((at) => [randomUUID(), at]));
    const [first] = members;
    if (first !== undefined && first !== member) await member.introduce(first);
  }
  const liarPlace = internet.addPlace('liar', [LIAR_IP]);
  for (const member of members) member.startHost();

  let moves = 0;
  return {
    internet,
    members,
    told,
    intervalMs: options.intervalMs,
    checkMs: options.checkMs,
    move(member) {
      moves += 1;
      const next = `11.${100 + moves}.0.10`;
      internet.renumber(member.name, member.ip, next);
      member.ip = next;
    },
    async lie(uuid, consumers) {
      const liar: Inhabitant = await startInhabitant(liarPlace, script('impostor.ts'), {});
      ends.push(liar.stop);
      await liar.call('lie', { uuid, consumers, targets: members.map(({ ip }) => ip) });
      return liar.stop;
    },
    async knowsAll(among = members) {
      const views = await Promise.all(among.map((member) => member.views()));
      return among.every((member, index) =>
        among.every((other) => {
          const view = views[index]?.get(other.uuid);
          return other === member || (view?.address === other.ip && view.state === 'alive');
        }),
      );
    },
    async until(holds, withinMs) {
      const started = performance.now();
      for (;;) {
        if (await holds()) return Math.round(performance.now() - started);
        if (performance.now() - started > withinMs) return undefined;
        await delay(LOOK_MS);
      }
    },
  };
}

async function startProducers(
  namespace: string,
  ips: readonly string[],
  told: ReadonlyMap<string, Map<string, string>>,
  ends: (() => unknown)[],
): Promise<void> {
  const kit = await startInhabitant(namespace, script('kit-producer.ts'), {
    onReport: (message) => {
      const { producer, uuid, ip } = message as { producer: string; uuid: string; ip: string };
      told.get(producer)?.set(uuid, ip);
    },
  });
  ends.push(kit.stop);
  for (const [n, at] of ips.entries()) {
    if (n % 2 === 0) {
      await kit.call('producer', at);
      continue;
    }
    const child = startIn(namespace, ['python3', '-B', 'test/fixtures/python/producer.py'], {
      LISTEN: `${at}:80`,
    });
    ends.push(() => child.kill('SIGKILL'));
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [, uuid = '', ip = ''] = /^(\S+) is at (\S+)$/.exec(line) ?? [];
        if (ip !== '') told.get(at)?.set(uuid, ip);
      });
    }
    await lineOf(child, /listens on port/);
  }
}
