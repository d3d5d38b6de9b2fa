import { after, before } from 'node:test';
import { RedisReplyError } from '../../lib/errors.ts';
import { createRedis } from '../../lib/redis/client.ts';
import type { Redis, Reply } from '../../lib/redis/redis.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../local/redis/embedded.ts';
import { startRestFace } from '../../local/redis/rest-face.ts';
import type { Owner } from './owner.ts';
import { hasRealRedis, type RedisServer, startRedisServer } from './redis-server.ts';

export { hasRealRedis, needsRealRedis, type RedisServer, startRedisServer } from './redis-server.ts';

export interface TestRedisOptions {
  /** How `redis` talks to it. Default `tcp`. */
  readonly transport?: 'tcp' | 'rest';
  /** `any` (default) is the real redis-server if there is one, else the embedded engine. */
  readonly engine?: 'any' | 'real' | 'embedded';
  /** Real only: every write is on disk before it is acknowledged, and survives `kill` and `restart`. */
  readonly aof?: boolean;
}

/** Fields of a hash or of an entry of a stream. */
export type Fields = Readonly<Record<string, string | number>>;

export interface TestRedis {
  readonly kind: 'real' | 'embedded';
  /** What `createRedis` takes. */
  readonly url: string;
  readonly token?: string;
  /** Where Redis itself listens, whatever the transport. */
  readonly tcpUrl: string;
  readonly redis: Redis;
  /** The process, where it is a real redis-server: to kill, stop and start again. */
  readonly server?: RedisServer;
  /** Sends one command, and throws the RedisReplyError that Redis answers. */
  command(name: string, ...args: (string | number)[]): Promise<Reply>;
  /** HSET of all these fields. */
  put(key: string, fields: Fields): Promise<void>;
  /** XADD of an entry with these fields. */
  append(key: string, fields: Fields): Promise<void>;
  /** The fields of a hash, as text; none if the key is absent. */
  hash(key: string): Promise<Readonly<Record<string, string>>>;
  /** SIGKILL. Real only. */
  kill(): Promise<void>;
  /** Starts it again on the same port and, with `aof`, with its data, after ending it where it still runs. Real only. */
  restart(): Promise<void>;
  /** Ends everything but the embedded engine, which another test may get. Done by `t.after` anyway. */
  stop(): Promise<void>;
}

/** Embedded engines of this process that no test uses now. To start one takes longer than what most tests do with it. */
const idle: EmbeddedRedis[] = [];

async function takeEmbedded(): Promise<EmbeddedRedis> {
  const engine = idle.pop();
  if (engine === undefined) {
    const started = await startEmbeddedRedis();
    started.unref();
    return started;
  }
  const redis = createRedis({ url: engine.url });
  await redis.send([['FLUSHALL'], ['SCRIPT', 'FLUSH']], { repeatable: true });
  await redis.close();
  return engine;
}

const TOKEN = 'test-token-5f1d';

/**
 * One Redis for all tests of a file or suite. Call it where `before` could be called, and the answered function in tests.
 *
 * @example
 * const testRedis = redisForSuite({ transport: 'rest' });
 * test('…', async () => { await testRedis().command('SET', 'a', '1'); });
 */
export function redisForSuite(options: TestRedisOptions = {}): () => TestRedis {
  let running: TestRedis | undefined;
  before(async () => {
    running = await startTestRedis({ after: () => {} }, options);
  });
  after(() => running?.stop());
  return () => {
    if (running === undefined) throw new Error('The suite has not started its Redis yet.');
    return running;
  };
}

/**
 * Starts an empty Redis for a test and ends it afterwards. Guard tests of `engine: 'real'` with `needsRealRedis()` as
 * their options: `test('…', needsRealRedis(), async (t) => …)`.
 *
 * @throws Error for `engine: 'real'` where no redis-server is installed.
 */
export async function startTestRedis(t: Owner, options: TestRedisOptions = {}): Promise<TestRedis> {
  const { transport = 'tcp', engine = 'any', aof = false } = options;
  const kind = engine === 'any' ? (hasRealRedis() ? 'real' : 'embedded') : engine;
  const ends: (() => Promise<void>)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      for (const end of ends.reverse()) await end();
    })();
    return stopped;
  };
  t.after(stop);

  let server: RedisServer | undefined;
  let tcpUrl: string;
  if (kind === 'real') {
    server = await startRedisServer({ aof });
    tcpUrl = server.url;
    ends.push(server.stop);
  } else {
    const embedded = await takeEmbedded();
    tcpUrl = embedded.url;
    ends.push(async () => void idle.push(embedded));
  }
  let access: { url: string; token?: string } = { url: tcpUrl };
  if (transport === 'rest') {
    const face = await startRestFace({ redisUrl: tcpUrl, token: TOKEN });
    access = { url: face.url, token: TOKEN };
    ends.push(face.close);
  }
  const redis = createRedis(access);
  ends.push(redis.close);

  const realServer = () => {
    if (server === undefined) throw new Error('Only a real redis-server can be killed and restarted.');
    return server;
  };
  const command = async (name: string, ...args: (string | number)[]) => {
    const [reply] = await redis.send([[name, ...args]], { repeatable: false });
    if (reply instanceof RedisReplyError) throw reply;
    return reply ?? null;
  };
  return {
    kind,
    ...access,
    tcpUrl,
    redis,
    ...(server === undefined ? {} : { server }),
    command,
    put: async (key, fields) => void (await command('HSET', key, ...Object.entries(fields).flat())),
    append: async (key, fields) => void (await command('XADD', key, '*', ...Object.entries(fields).flat())),
    hash: async (key) => pairs(await command('HGETALL', key)),
    kill: async () => realServer().kill(),
    restart: async () => realServer().restart(),
    stop,
  };
}

/** Names and values in turn, as HGETALL and WITHSCORES answer them, as an object in the same order. */
export function pairs(reply: Reply | RedisReplyError | undefined): Readonly<Record<string, string>> {
  const flat = Array.isArray(reply) ? reply.map(String) : [];
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}
