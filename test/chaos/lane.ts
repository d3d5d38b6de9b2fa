import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, type VirtualClock } from '../support/clock.ts';
import { startRedisServer } from '../support/redis-server.ts';
import type { Mistake } from '../support/tampered-redis.ts';
import { type Containers, createContainers } from './containers.ts';
import { startLambdaEndpoint } from './lambda.ts';
import { type Call, type Place, startPlaces } from './places.ts';
import { type Sources, startSources } from './sources.ts';
import { type Passing, startWire, type Wire } from './wire.ts';

export const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const NOTIFY_FUNCTION = 'chaos-producer-notify';
/** Of a healthy producer on a busy machine; the hanging ones cost as much. */
const NOTIFY_TIMEOUT_MS = 250;
/** Enough for the producers of a run, and for each to move several times without ever moving back. */
const PLACES = 40;

/** What happens to whoever runs in a lane. */
export interface Observer {
  onSourceAsked(): void;
  onRequest(passing: Passing): void;
  onCarriedOut(passing: Passing): void;
  onFault(kind: string): void;
  onCall(call: Call): void;
  /** Whether Lambda accepts the invocation. */
  onInvoke(payload: unknown): boolean;
  listed(): ReadonlySet<string>;
}

/** All that one run after the other needs: Redis, handlers, sources and places on loopback. Not the runs' own state. */
export interface Lane {
  readonly clock: VirtualClock;
  readonly wire: Wire;
  readonly sources: Sources;
  readonly places: readonly Place[];
  readonly containers: Containers;
  /** Who is told, from now on. */
  observe(observer: Observer): void;
  close(): Promise<void>;
}

/** @throws Error if there is no redis-server. */
export async function startLane(worker: string, mistakes: readonly Mistake[]): Promise<Lane> {
  const ends: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  let observer: Observer | undefined;
  try {
    const cache = await mkdtemp(join(tmpdir(), 'p2p-chaos-'));
    ends.push(() => rm(cache, { recursive: true, force: true }));
    const server = await startRedisServer({ aof: true });
    ends.push(server.stop);
    const clock = createVirtualClock();
    const wire = await startWire({
      server,
      clock,
      mistakes,
      onRequest: (passing) => observer?.onRequest(passing),
      onCarriedOut: (passing) => observer?.onCarriedOut(passing),
      onFault: (fate) => observer?.onFault(`Redis: ${fate}`),
      listed: () => observer?.listed() ?? new Set(),
    });
    ends.push(wire.close);
    const sources = await startSources(() => observer?.onSourceAsked());
    ends.push(sources.close);
    const places = await startPlaces(PLACES, (call) => observer?.onCall(call));
    ends.push(() => Promise.all(places.map((place) => place.open(false))));
    const lambda = await startLambdaEndpoint(
      (name, payload) => name === NOTIFY_FUNCTION && (observer?.onInvoke(payload) ?? false),
    );
    ends.push(lambda.close);

    const containers = createContainers(worker, (id) => ({
      LOCAL_UUID,
      REDIS_URL: wire.url,
      REDIS_TOKEN: id,
      PEER_ALLOW_CIDRS: '127.0.0.0/8',
      IP_SOURCES: sources.list,
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      NOTIFY_TIMEOUT_MS: String(NOTIFY_TIMEOUT_MS),
      // Fewer places than producers, so that a drain claims several times.
      NOTIFY_CONCURRENCY: '4',
      PRODUCER_NOTIFY_FUNCTION: NOTIFY_FUNCTION,
      AWS_ENDPOINT_URL_LAMBDA: lambda.url,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'none',
      AWS_SECRET_ACCESS_KEY: 'none',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      POWERTOOLS_METRICS_DISABLED: 'true',
      NODE_COMPILE_CACHE: cache,
    }));
    ends.push(containers.end);
    return {
      clock,
      wire,
      sources,
      places,
      containers,
      observe(next) {
        observer = next;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
