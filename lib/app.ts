import type { Config } from './config.ts';
import { type Host, type Invocation, type Invoke, type Log, systemHost } from './host.ts';
import { runIpCheck } from './ip/check.ts';
import { createSources, type Source } from './ip/sources.ts';
import type { IpCheckSummary } from './ip/summary.ts';
import { type NotifySummary, runProducerNotify } from './notify/notify.ts';
import { type AddressPolicy, createAddressPolicy } from './peers/address.ts';
import type { IpFamily } from './peers/ip-space.ts';
import { createPostToPeer, type PostToPeer } from './peers/post.ts';
import { createSigner } from './peers/signing.ts';
import { createRedis } from './redis/client.ts';
import type { Redis } from './redis/redis.ts';
import { keepDays } from './store/days.ts';
import { createKeys, type Keys } from './store/keys.ts';
import { createRoundStore } from './store/open-round.ts';
import type { SyncParts } from './sync/context.ts';
import { runSync } from './sync/round.ts';
import type { RoundSummary } from './sync/summary.ts';

/** What the jobs are made of. Only the first three have no default: a host knows them, this module cannot. */
export interface AppOptions {
  readonly config: Config;
  readonly log: Log;
  readonly invoke: Invoke;
  readonly redis?: Redis;
  readonly post?: PostToPeer;
  readonly sources?: readonly Source[];
  readonly host?: Host;
  /** Whether the calls of a round are spread over time, for a host behind a home router. Default false. */
  readonly spread?: boolean;
}

/** What a job may use. Each takes the part that it needs. */
export interface AppParts extends Required<AppOptions> {
  readonly keys: Keys;
  readonly policy: AddressPolicy;
  /** The sources reached over a family, whatever `IP_FAMILY` says. Only those of `IP_FAMILY` where a host brings its own. */
  readonly sourcesOf: (family: IpFamily) => readonly Source[];
}

/**
 * The three jobs. Each takes the raw event and answers a JSON summary.
 *
 * @throws EventError for an event that matches no schema, IdentityError for another consumer's Redis,
 * RedisUnavailableError and RedisReplyError where Redis failed the run. The next run goes on where this one ended.
 */
export interface App {
  /** One round of synchronization, or one shard of it. */
  sync(event: unknown, invocation: Invocation): Promise<RoundSummary>;
  /** One look at our public IP; commits a change and starts its delivery. */
  ipCheck(event: unknown, invocation: Invocation): Promise<IpCheckSummary>;
  /** Delivers what is due to producers, after an operator's word if the event holds one. */
  producerNotify(event: unknown, invocation: Invocation): Promise<NotifySummary>;
  /** Closes the connections to Redis. */
  close(): Promise<void>;
}

/** Puts the scheduler together, all three jobs: for a host that runs them in one process, and for benchmarks. */
export function createApp(options: AppOptions): App {
  const parts = createParts(options);
  return {
    sync: (event, invocation) => runSyncJob(event, invocation, parts),
    ipCheck: (event, invocation) => runIpCheck(event, invocation, parts),
    producerNotify: (event, invocation) => runProducerNotify(event, invocation, parts),
    close: () => parts.redis.close(),
  };
}

/** A round; after the first one of a day the worst states of the day before are kept. */
export async function runSyncJob(
  event: unknown,
  invocation: Invocation,
  parts: AppParts,
): Promise<RoundSummary> {
  const summary = await runSync(event, invocation, syncParts(parts));
  if (summary.shard === 0 && summary.pages > 0) {
    await keepDays(summary.at, invocation, parts).catch((error) =>
      parts.log.warn('The states of yesterday could not be kept; the next round tries again', { error }),
    );
  }
  return summary;
}

/** Makes what the options leave open. A function of its own so that the bundle of one job does not carry the others. */
export function createParts(options: AppOptions): AppParts {
  const { config } = options;
  const { bindAddress } = config.peers;
  const makeSources = (family: IpFamily) =>
    createSources(config.ip.sources, { family, allow: config.ip.allowCidrs, bindAddress });
  const sources = options.sources ?? makeSources(config.ip.family);
  const others = (family: IpFamily) => (options.sources === undefined ? makeSources(family) : []);
  const policy = createAddressPolicy({
    defaultPort: config.peers.port,
    allow: config.peers.allowCidrs,
    runtimeApi: config.peers.runtimeApi,
  });
  return {
    config,
    log: options.log,
    invoke: options.invoke,
    redis: options.redis ?? createRedis(config.redis),
    post: options.post ?? createPostToPeer({ policy, sign: createSigner(config.signing.keys), bindAddress }),
    sources,
    sourcesOf: (family) => (family === config.ip.family ? sources : others(family)),
    spread: options.spread ?? false,
    host: options.host ?? systemHost,
    keys: createKeys(config.redis.prefix),
    policy,
  };
}

/**
 * What a round takes of the parts: a store of its own for each invocation, instead of the way to Redis. A function of its
 * own so that only the bundle of `sync` carries the store of rounds.
 */
export function syncParts({ redis, keys, ...parts }: AppParts): SyncParts {
  const { config, host } = parts;
  return {
    ...parts,
    openRoundStore: ({ signal }) =>
      createRoundStore({ redis, keys, localUuid: config.localUuid, host, signal }),
  };
}
