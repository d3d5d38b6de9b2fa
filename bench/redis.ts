import { RedisReplyError } from '../lib/errors.ts';
import { type CommandCount, countCommands } from '../test/support/monitor.ts';
import { startTestRedis } from '../test/support/redis.ts';
import { ipOf, uuidOf } from './world.ts';

/** An empty Redis for one row, a real redis-server if there is one. */
export interface BenchRedis {
  readonly kind: 'real' | 'embedded';
  /** In words, for the row's notes. */
  readonly engine: string;
  /** `redis://…` */
  readonly url: string;
  /** The same Redis behind the development server of Upstash's REST API. */
  readonly rest: { readonly url: string; readonly token: string };
  /** Removes a key. */
  remove(key: string): Promise<void>;
  /** Writes peers 0 … `count` - 1 into the hash `key`: uuid → what `address` says, by default the peer's IP alone. */
  fillPeers(key: string, count: number, address?: (index: number) => string): Promise<void>;
  /** Starts counting the commands that are sent and run. Undefined on the embedded engine. */
  countCommands(): Promise<CommandCount | undefined>;
  end(): Promise<void>;
}

const PEERS_PER_COMMAND = 500;

export async function startBenchRedis(): Promise<BenchRedis> {
  const {
    kind,
    url,
    token = '',
    tcpUrl,
    redis,
    stop,
  } = await startTestRedis({ after: () => {} }, { transport: 'rest' });
  const send = async (commands: Parameters<typeof redis.send>[0]) => {
    const replies = await redis.send(commands, { repeatable: true });
    for (const reply of replies) if (reply instanceof RedisReplyError) throw reply;
    return replies;
  };
  return {
    kind,
    engine:
      kind === 'real' ? 'a real redis-server' : 'the embedded engine, because there is no redis-server here',
    url: tcpUrl,
    rest: { url, token },
    remove: async (key) => void (await send([['DEL', key]])),
    async fillPeers(key, count, address = ipOf) {
      for (let from = 0; from < count; from += PEERS_PER_COMMAND) {
        const indices = Array.from({ length: Math.min(PEERS_PER_COMMAND, count - from) }, (_, i) => from + i);
        await send([['HSET', key, ...indices.flatMap((index) => [uuidOf(index), address(index)])]]);
      }
    },
    countCommands: async () =>
      kind === 'real' ? countCommands(tcpUrl, (word) => send([['ECHO', word]])) : undefined,
    end: stop,
  };
}
