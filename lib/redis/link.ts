import type { Socket } from 'node:net';
import { AbstractConnector, type ChainableCommander, Redis as Connection, ReplyError } from 'ioredis';
import { RedisUnavailableError } from '../errors.ts';
import { connectionFailure, misaddressed } from './failure.ts';
import type { Reply } from './redis.ts';
import { refusal } from './refusal.ts';
import { openSocket, type TcpTarget } from './socket.ts';
import type { ClientCertificate, Slot, WireCommand } from './transport.ts';

/** A connection that is open and logged in. */
export interface OpenLink {
  readonly connection: Connection;
  readonly socket: Socket;
  /** The socket's first error. ioredis tells a command only that its connection was closed. */
  failure: Error | undefined;
  /** What the other end sent, until it has answered a request: by it one knows what listens there. */
  greeting: Buffer | undefined;
  /** Whether it has answered a request. */
  proven: boolean;
}

/** After which a socket is destroyed whose other end does not close it. */
const DISCONNECT_TIMEOUT_MS = 200;

/**
 * Opens a connection and logs in. AUTH and SELECT are sent here and not by ioredis, which goes on in database 0 when
 * SELECT fails and writes warnings about passwords to the console.
 */
export async function openLink(
  target: TcpTarget,
  certificate: ClientCertificate | undefined,
  signal: AbortSignal,
): Promise<OpenLink> {
  const socket = await openSocket(target, certificate, signal);
  const connection = new Connection({
    Connector: connectorOf(socket),
    lazyConnect: true,
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
  const link: OpenLink = { connection, socket, failure: undefined, greeting: undefined, proven: false };
  socket.on('error', (error) => {
    link.failure ??= error;
  });
  connection.on('error', () => {});
  // ioredis begins to read after this event, so that nothing of the greeting is missed.
  connection.once('connect', () => {
    socket.once('data', (chunk: Buffer) => {
      link.greeting = chunk.subarray(0, MAX_GREETING_BYTES);
    });
  });
  try {
    await connection.connect();
    await login(link, target, signal);
    return link;
  } catch (error) {
    connection.disconnect();
    const { message, trouble, passing } =
      error instanceof RedisUnavailableError ? error : failureOf(error, link, target);
    throw new RedisUnavailableError(message, { mayHaveRun: false, trouble, passing });
  }
}

const MAX_GREETING_BYTES = 512;

/** Gives ioredis a socket that is open. */
function connectorOf(socket: Socket) {
  return class extends AbstractConnector {
    constructor() {
      super(DISCONNECT_TIMEOUT_MS);
    }
    async connect() {
      this.stream = socket;
      return socket;
    }
  };
}

/** Resolves when the socket is gone. */
export async function endLink({ connection }: OpenLink): Promise<void> {
  if (connection.status === 'end') return;
  const ended = new Promise<void>((resolve) => connection.once('end', () => resolve()));
  connection.disconnect();
  await ended;
}

async function login(link: OpenLink, target: TcpTarget, signal: AbortSignal): Promise<void> {
  const { user, password, database, where } = target;
  const commands: WireCommand[] = [
    ...(password === '' ? [] : [user === '' ? ['AUTH', password] : ['AUTH', user, password]]),
    ...(database === 0 ? [] : [['SELECT', String(database)]]),
  ];
  if (commands.length === 0) return;
  const slots = await ask(link, commands, target, signal);
  for (const slot of slots) if ('error' in slot) throw refusal(withoutSecret(slot.error, target), where);
}

/** Sends the commands at once. @throws RedisUnavailableError unless every one of them was answered. */
export async function ask(
  link: OpenLink,
  commands: readonly WireCommand[],
  target: TcpTarget,
  signal: AbortSignal,
): Promise<Slot[]> {
  const silent = Promise.withResolvers<never>();
  silent.promise.catch(() => {});
  const abort = () => {
    const text = `Redis at ${target.where} did not answer in time.`;
    silent.reject(new RedisUnavailableError(text, { mayHaveRun: true, trouble: 'silent' }));
  };
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const slots = await Promise.race([silent.promise, exchange(link.connection, commands)]);
    link.greeting = undefined;
    link.proven = true;
    return slots;
  } catch (error) {
    throw error instanceof RedisUnavailableError ? error : failureOf(error, link, target);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Why a connection failed: what the other end has sent tells more than how the socket ended. */
function failureOf(error: unknown, link: OpenLink, target: TcpTarget): RedisUnavailableError {
  const { where, tls } = target;
  const { greeting = Buffer.alloc(0), failure } = link;
  const unsent = error instanceof Error && error.message.startsWith("Stream isn't writeable");
  const other = foreignProtocol(greeting, tls);
  if (other !== undefined) {
    return new RedisUnavailableError(misaddressed(where, other), {
      mayHaveRun: false,
      trouble: 'protocol',
      passing: false,
    });
  }
  const [, words] = /^-([^\r\n]*)/.exec(greeting.toString('utf8')) ?? [];
  if (words !== undefined) return refusal(withoutSecret(words, target), where);
  const { message, ...rest } = connectionFailure(failure ?? error, {
    where,
    ...(unsent ? { sent: false } : {}),
  });
  const wordless = !link.proven && !tls && greeting.length === 0 && failure === undefined;
  const text = `What listens at ${where} closed the connection without a word. If it speaks TLS, REDIS_URL starts with rediss://.`;
  return new RedisUnavailableError(wordless ? text : message, rest);
}

/** What the other end speaks by its first bytes, unless it may be Redis. */
function foreignProtocol(greeting: Buffer, tls: boolean): 'http' | 'tls' | 'no-redis' | undefined {
  if (greeting.length === 0) return undefined;
  if (greeting.toString('latin1').startsWith('HTTP/')) return 'http';
  if (!tls && greeting[0] === TLS_ALERT && greeting[1] === TLS_MAJOR_VERSION) return 'tls';
  return '+-:$*'.includes(String.fromCharCode(greeting[0] ?? 0)) ? undefined : 'no-redis';
}

/** The first two bytes of an alert, RFC 8446 section 5.1. */
const TLS_ALERT = 0x15;
const TLS_MAJOR_VERSION = 0x03;

function withoutSecret(text: string, { password }: TcpTarget): string {
  return password === '' ? text : text.replaceAll(password, '***');
}

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
