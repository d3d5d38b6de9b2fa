import { isIP } from 'node:net';
import { Redis as UpstashRedis } from '@upstash/redis';
import { type ChainableCommander, Redis as Connection, ReplyError } from 'ioredis';
import type { Reply } from './redis.ts';
import {
  type ClientCertificate,
  networkError,
  type Slot,
  type Transport,
  TransportError,
  type WireCommand,
} from './transport.ts';
import type { RedisTarget } from './url.ts';

type Target = Extract<RedisTarget, { kind: 'tcp' }>;

/** One connection. It is never repaired: what fails is dropped, and the next request opens another. */
interface Link {
  readonly connection: Connection;
  readonly ready: Promise<void>;
  /** The socket's first error. ioredis tells a command only that its connection was closed. */
  failure: Error | undefined;
  inFlight: number;
  retired: boolean;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** After which a socket is destroyed whose other end does not close it. */
const DISCONNECT_TIMEOUT_MS = 200;

/** The `@upstash/redis` client over a Requester of our own. With one it takes no options, so it is used undecoded. */
class RawUpstash extends UpstashRedis {
  pipelineRaw(body: readonly WireCommand[], signal: AbortSignal) {
    return this.client.request<Slot[]>({ path: ['pipeline'], body, signal });
  }
}

/**
 * Redis over TCP or TLS: the `@upstash/redis` client over ioredis. In a file of its own, imported lazily: a run over
 * REST never evaluates ioredis.
 */
export function createTcpTransport(target: Target, certificate?: ClientCertificate): Transport {
  const links = new Set<Link>();
  let current: Link | undefined;

  const retire = (link: Link) => {
    link.retired = true;
    if (current === link) current = undefined;
    if (link.inFlight > 0) return;
    links.delete(link);
    link.connection.disconnect();
  };

  const request = async (commands: readonly WireCommand[], signal: AbortSignal): Promise<Slot[]> => {
    if (current !== undefined && ['close', 'end'].includes(current.connection.status)) retire(current);
    if (current === undefined) {
      current = openLink(target, certificate);
      links.add(current);
    }
    const link = current;
    link.inFlight += 1;
    let sent = false;
    try {
      await untilAborted(link.ready, signal);
      const replies = exchange(link.connection, commands);
      sent = true;
      return await untilAborted(replies, signal);
    } catch (error) {
      // A request that timed out leaves its replies outstanding: nobody else shall wait behind them.
      link.retired = true;
      if (error instanceof TransportError) throw error;
      if (error === ABORTED) {
        throw new TransportError(`Redis at ${target.where} did not answer in time.`, {
          mayHaveRun: sent,
          passing: true,
        });
      }
      throw isUnsent(error) ? unsent(error, target.where) : networkError(link.failure ?? error, target.where);
    } finally {
      link.inFlight -= 1;
      if (link.retired) retire(link);
    }
  };

  const client = new RawUpstash({
    request: async <T>({ body, signal }: { body?: unknown; signal?: AbortSignal }) => ({
      result: (await request(body as readonly WireCommand[], signal ?? new AbortController().signal)) as T,
    }),
  });

  return {
    async pipeline(commands, signal) {
      const { result } = await client.pipelineRaw(commands, signal);
      return result ?? [];
    },
    async close() {
      await Promise.all([...links].map(({ connection }) => end(connection)));
      links.clear();
      current = undefined;
    },
  };
}

/** AUTH and SELECT, where the URL asks for them. */
function loginOf({ user, password, database }: Target): readonly WireCommand[] {
  return [
    ...(password === '' ? [] : [user === '' ? ['AUTH', password] : ['AUTH', user, password]]),
    ...(database === 0 ? [] : [['SELECT', String(database)]]),
  ];
}

/**
 * Opens a connection and logs in. AUTH and SELECT are sent here and not by ioredis, which goes on in database 0 when
 * SELECT fails and writes warnings about passwords to the console.
 */
function openLink(target: Target, certificate: ClientCertificate | undefined): Link {
  const connection = new Connection({
    host: target.host,
    port: target.port,
    ...(target.tls ? { tls: tlsOptions(target, certificate) } : {}),
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    disableClientInfo: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    // With 1, ioredis runs a script twice when the connection breaks after the request.
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // Together with buffer replies this tells integers from strings, and keeps both exact.
    stringNumbers: true,
  });
  const connect = async () => {
    try {
      await connection.connect();
    } catch (error) {
      throw unsent(link.failure ?? error, target.where);
    }
    await login(connection, target);
  };
  connection.on('error', (error: Error) => {
    link.failure ??= error;
  });
  const link: Link = { connection, ready: connect(), failure: undefined, inFlight: 0, retired: false };
  link.ready.catch(() => {});
  return link;
}

/** The server name (SNI) tells a TLS router which database is meant. An IP address is none (RFC 6066). */
function tlsOptions({ host }: Target, certificate: ClientCertificate | undefined) {
  return { ...(isIP(host) === 0 ? { servername: host } : {}), ...certificate };
}

/** Resolves when the socket is gone. */
async function end(connection: Connection): Promise<void> {
  if (connection.status === 'end') return;
  const ended = new Promise<void>((resolve) => connection.once('end', () => resolve()));
  connection.disconnect();
  await ended;
}

/** ioredis's own refusal of a command whose socket the other end has closed: it was never written. */
function isUnsent(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Stream isn't writeable");
}

/** A failure before the request was written: whatever it was, no command of it has left. */
function unsent(error: unknown, where: string): TransportError {
  const { message, passing } = networkError(error, where);
  return new TransportError(message, { mayHaveRun: false, passing });
}

async function login(connection: Connection, target: Target): Promise<void> {
  const commands = loginOf(target);
  if (commands.length === 0) return;
  const slots = await exchange(connection, commands).catch((error) => {
    throw unsent(error, target.where);
  });
  const refusal = slots.find((slot) => 'error' in slot);
  if (refusal === undefined) return;
  throw new TransportError(
    `Redis at ${target.where} refused the login: ${refusal.error}. Check user, password and database in REDIS_URL.`,
    { mayHaveRun: false, passing: /^LOADING/.test(refusal.error) },
  );
}

/** Sends the commands at once. Rejects with the connection's error unless every one of them was answered. */
async function exchange(connection: Connection, commands: readonly WireCommand[]): Promise<Slot[]> {
  const pipeline: ChainableCommander = connection.pipeline();
  // Upper case: ioredis reshapes the replies of the lower-case names it knows (`hgetall` becomes an object).
  for (const [name = '', ...args] of commands) pipeline.callBuffer(name.toUpperCase(), ...args);
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, value]) => {
    if (error === null) return { reply: toReply(value) };
    // By the class: a minified bundle has another name for it.
    if (!(error instanceof ReplyError)) throw error;
    return { error: error.message };
  });
}

function toReply(value: unknown): Reply {
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  if (Array.isArray(value)) return value.map(toReply);
  if (typeof value !== 'string') return null;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const ABORTED = Symbol('aborted');

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {});
  if (signal.aborted) throw ABORTED;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(ABORTED);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
