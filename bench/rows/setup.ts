import { createKeys } from '../../lib/store/keys.ts';
import type { LoopParams } from '../baselines/loop.ts';
import type { Run } from '../measure.ts';
import type { Peers } from '../peers.ts';
import type { BenchRedis } from '../redis.ts';
import type { AppParams } from '../subjects/app.ts';
import { LOCAL_UUID } from '../world.ts';

/** The keys of a world of its own in the row's Redis, and what tells the app about it. */
export function worldOf(name: string, redis: BenchRedis, peers: Peers) {
  const prefix = `{bench-${name}}:`;
  return {
    keys: createKeys(prefix),
    params: (env: Readonly<Record<string, string>> = {}): AppParams => ({
      env: {
        REDIS_URL: redis.url,
        REDIS_PREFIX: prefix,
        PEER_PORT: String(peers.ports.well),
        ...env,
      },
    }),
  };
}

/** What a baseline needs to call the first `count` peers as a round does. */
export function loopParams(peers: Peers, count: number, concurrency: number): LoopParams {
  return {
    first: 0,
    count,
    port: peers.ports.well,
    concurrency,
    path: '/sync',
    body: JSON.stringify({ uuid: LOCAL_UUID }),
  };
}

/** One field of several runs. NaN, which meets no target, where a run lacks it. */
export function valuesOf(field: 'ms' | 'cpuMs' | 'peakMb', runs: readonly Run[]): number[] {
  return runs.map((run) => run[field] ?? Number.NaN);
}

/** Calls a second, of runs that each made `calls`. */
export function ratesOf(calls: number, runs: readonly Run[]): number[] {
  return runs.map(({ ms }) => (calls / ms) * 1_000);
}

export function inWords(count: number): string {
  return count.toLocaleString('en-US');
}
