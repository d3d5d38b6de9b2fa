import { randomUUID } from 'node:crypto';
import { createApp } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import type { Invocation, Log } from '../../lib/host.ts';
import type { Redis } from '../../lib/redis/redis.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { memberOf, OTHERS, WORLD_NETWORK, type WorldConsumer } from './cast.ts';

/** What the others do is not told: only what you see of it. */
const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };
const ROUND_MS = 60_000;

/**
 * Writes whom the other consumers know from the start, and makes their schedulers: the same program as yours, each with a
 * prefix of its own in the same Redis. `url` and `port` are the world's Redis and PEER_PORT.
 *
 * What it answers runs a round of each, all at once. A round that fails is like one of a consumer that is off for a while.
 */
export async function createSchedulers(
  redis: Redis,
  url: string,
  port: number,
): Promise<() => Promise<void>> {
  const real = OTHERS.filter(({ kind }) => kind === 'real');
  await redis.send(
    real.map(({ prefix, knows }) => [
      'HSET',
      createKeys(prefix).consumers,
      ...knows.flatMap((name) => [memberOf(name).uuid, memberOf(name).ip]),
    ]),
    { repeatable: true },
  );
  const apps = real.map((member) =>
    createApp({ config: configOf(member, url, port), log: SILENT, invoke: async () => undefined, redis }),
  );
  // Each finds out its own address first.
  await Promise.allSettled(apps.map((app) => app.ipCheck({ source: 'schedule' }, invocation())));
  return async () => {
    await Promise.allSettled(apps.map((app) => app.sync({ source: 'schedule' }, invocation())));
  };
}

function configOf({ uuid, ip, prefix }: WorldConsumer, url: string, port: number) {
  return loadConfig({
    LOCAL_UUID: uuid,
    REDIS_URL: url,
    REDIS_PREFIX: prefix,
    PEER_PORT: String(port),
    PEER_ALLOW_CIDRS: WORLD_NETWORK,
    // Whoever is called sees this consumer's own address.
    BIND_ADDRESS: ip,
    IP_SOURCES: `static:${ip}`,
    IP_ALLOW_CIDRS: WORLD_NETWORK,
  });
}

function invocation(): Invocation {
  const endsMs = performance.now() + ROUND_MS;
  return {
    requestId: randomUUID(),
    signal: AbortSignal.timeout(ROUND_MS - 2_000),
    remainingMs: () => Math.max(0, endsMs - performance.now()),
  };
}
