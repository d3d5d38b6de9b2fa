import { randomUUID } from 'node:crypto';
import { readStack } from '../../local/env.ts';
import { type FunctionKey, invokeLocal, type LambdaAnswer } from '../../local/lambda.ts';
import { startOffline } from '../../local/offline.ts';
import { createFeed } from '../support/feed.ts';
import type { Owner } from '../support/owner.ts';
import { type Peer, startPeer } from '../support/peer-server.ts';
import { freePorts } from '../support/ports.ts';
import { ROOT } from '../support/processes.ts';

export const LOCAL_UUID = randomUUID();

export interface Functions {
  /** Runs a function by the Lambda endpoint and answers what it returned. */
  invoke(name: FunctionKey, event?: unknown): Promise<LambdaAnswer>;
  /** Everything that serverless and the functions printed so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line that matches. Pair it with the test's timeout. */
  line(pattern: RegExp): Promise<string>;
}

/** The real `serverless offline` with the real functions, their schedules far away, against the given Redis. */
export async function startFunctions(
  t: Owner,
  { redis, env = {} }: { redis: { url: string; token?: string }; env?: NodeJS.ProcessEnv },
): Promise<Functions> {
  const { lambda } = await freePorts();
  const stack = readStack(ROOT, {
    ...process.env,
    LOCAL_ENV_FILE: '',
    LOCAL_UUID,
    LOCAL_LAMBDA_PORT: String(lambda),
    REDIS_URL: redis.url,
    REDIS_TOKEN: redis.token ?? '',
    PEER_ALLOW_CIDRS: '127.0.0.1/32',
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    SYNC_SCHEDULE: 'rate(30 days)',
    IP_CHECK_SCHEDULE: 'rate(30 days)',
    POWERTOOLS_METRICS_DISABLED: 'true',
    ...env,
  });
  const lines = createFeed<string>();
  const child = await startOffline({
    folder: ROOT,
    env: stack.env,
    port: lambda,
    onLine: lines.push,
    signal: new AbortController().signal,
  });
  t.after(() => child.stop());
  return {
    invoke: (name, event) => invokeLocal(lambda, name, event),
    lines: lines.items,
    line: (pattern) => lines.first((line) => pattern.test(line)),
  };
}

export interface Sources {
  /** `IP_SOURCES`: three loopback services, each an operator of its own. */
  readonly list: string;
  /** What all of them tell from now on. */
  tell(ip: string): void;
  readonly peers: readonly Peer[];
}

/** Three IP sources that agree. */
export async function startSources(t: Owner): Promise<Sources> {
  const peers = await Promise.all([startPeer(t), startPeer(t), startPeer(t)]);
  return {
    list: peers.map(({ address }) => `http://${address}`).join(','),
    tell: (ip) => {
      for (const peer of peers) peer.respond({ body: ip });
    },
    peers,
  };
}
