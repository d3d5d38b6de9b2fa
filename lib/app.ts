import type { Config } from './config.ts';
import type { Host, Invocation, Invoke, Log } from './invocation.ts';
import type { Source } from './ip/vote.ts';
import type { PostToPeer } from './peers/post.ts';
import type { Redis } from './redis/redis.ts';

/** What an app is made of. Lambda, tests, benchmarks and any other host bring their own. */
export interface AppParts {
  readonly config: Config;
  readonly redis: Redis;
  readonly post: PostToPeer;
  readonly sources: readonly Source[];
  readonly invoke: Invoke;
  readonly host: Host;
  readonly log: Log;
}

/** The three jobs. Each takes the raw event, answers a JSON summary, and throws only what the operator has to see. */
export interface App {
  sync(event: unknown, invocation: Invocation): Promise<Record<string, unknown>>;
  ipCheck(event: unknown, invocation: Invocation): Promise<Record<string, unknown>>;
  producerNotify(event: unknown, invocation: Invocation): Promise<Record<string, unknown>>;
}
