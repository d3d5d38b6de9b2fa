import { randomUUID } from 'node:crypto';
import { type App, createApp } from '../../lib/app.ts';
import { type Config, loadConfig } from '../../lib/config.ts';
import type { Invocation, Log } from '../../lib/host.ts';
import { createRedis } from '../../lib/redis/client.ts';
import type { Redis } from '../../lib/redis/redis.ts';
import { LOCAL_UUID } from '../world.ts';

/** How a subject is configured: where Redis is, and variables beside `benchEnvironment`'s. */
export interface AppParams {
  readonly env: Readonly<Record<string, string>>;
}

/** The whole app on a real Redis and real sockets; only Lambda is missing. */
export interface Subject {
  readonly app: App;
  readonly config: Config;
  /** Commands and round trips since the last question, as the app asked for them: a script is one command. */
  takeCounts(): { commands: number; roundTrips: number };
}

export function openSubject({ env }: AppParams): Subject {
  const config = loadConfig({ ...benchEnvironment(), ...env });
  let commands = 0;
  let roundTrips = 0;
  const redis = createRedis(config.redis);
  const counted: Redis = {
    send(requests, options) {
      commands += requests.length;
      roundTrips++;
      return redis.send(requests, options);
    },
    close: () => redis.close(),
  };
  return {
    config,
    app: createApp({ config, log: silent, invoke: async () => {}, redis: counted }),
    takeCounts() {
      const counts = { commands, roundTrips };
      commands = 0;
      roundTrips = 0;
      return counts;
    },
  };
}

/** Keeps all traffic on loopback: peers are in 127.0.0.0/8, and our IP is a constant unless a row says otherwise. */
function benchEnvironment(): Record<string, string> {
  return {
    LOCAL_UUID,
    PEER_ALLOW_CIDRS: '127.0.0.0/8',
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    IP_SOURCES: 'static:203.0.113.1',
  };
}

/** An invocation with as much time as a row may need. */
export function invocation(limitMs = 240_000): Invocation {
  const endsAt = performance.now() + limitMs;
  return {
    requestId: randomUUID(),
    signal: new AbortController().signal,
    remainingMs: () => Math.max(0, endsAt - performance.now()),
  };
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
