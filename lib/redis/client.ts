import { Redis as UpstashRedis } from '@upstash/redis';
import { ConfigError, RedisReplyError, RedisUnavailableError } from '../errors.ts';
import { type Host, systemHost } from '../host.ts';
import type { Command, Redis, Reply, ScriptCall, SendOptions } from './redis.ts';
import { createRestTransport } from './rest.ts';
import { allowDistantServers } from './socket.ts';
import {
  type ClientCertificate,
  cutCommand,
  type Slot,
  type Transport,
  type WireCommand,
} from './transport.ts';
import { parseRedisUrl, type SettingNames, withNames } from './url.ts';

export interface RedisClientOptions {
  /** `https://` or `http://` for REST, `redis://` or `rediss://` for TCP and TLS. */
  readonly url: string;
  /** The REST token. Unused over TCP, where the URL carries the login. */
  readonly token?: string | undefined;
  /** What a server of `rediss://` that asks for a client certificate is shown. */
  readonly clientCertificate?: ClientCertificate | undefined;
  /** What errors call URL and token. Default `REDIS_URL` and `REDIS_TOKEN`. */
  readonly names?: SettingNames;
  /** What the retries need of the machine. */
  readonly host?: Pick<Host, 'monotonicMs' | 'random' | 'sleep'>;
}

/** What `@upstash/redis` hands to a requester. */
interface UpstashRequest {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_ATTEMPTS = 4;
const FIRST_BACKOFF_MS = 100;

/** The `@upstash/redis` client over a requester of ours. With one it takes no options, so its replies are not decoded. */
class RawUpstash extends UpstashRedis {
  async pipelineRaw(body: readonly WireCommand[], signal: AbortSignal): Promise<Slot[]> {
    const { result } = await this.client.request<Slot[]>({ path: ['pipeline'], body, signal });
    return result ?? [];
  }
}

/**
 * The client for both transports. It connects with the first request, so it never throws for a Redis that is down.
 *
 * @throws ConfigError if the URL or the token cannot be used. Neither is in the message.
 */
export function createRedis(options: RedisClientOptions): Redis {
  allowDistantServers();
  const openTransport = chooseTransport(options);
  const { host = systemHost, names } = options;
  let transport: Promise<Transport> | undefined;
  const upstash = new RawUpstash({
    request: async <T>({ body, signal = new AbortController().signal }: UpstashRequest) => {
      transport ??= openTransport();
      return { result: (await (await transport).pipeline(body as readonly WireCommand[], signal)) as T };
    },
  });
  let closed = false;
  /** Scripts that Redis has seen from this client. A first use sends the text: that saves the trip of a NOSCRIPT. */
  const seen = new Set<string>();

  /** One attempt, under its own deadline. */
  const attempt = async (commands: readonly WireCommand[], { signal, timeoutMs }: SendOptions) => {
    const deadline = new AbortController();
    const abort = () => deadline.abort();
    const timer = setTimeout(abort, timeoutMs ?? DEFAULT_TIMEOUT_MS);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await upstash.pipelineRaw(commands, deadline.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  };

  /** Attempts until one is answered, as long as repeating is allowed, may help, and time is left. */
  const exchange = async (commands: readonly WireCommand[], options: SendOptions): Promise<Slot[]> => {
    const { repeatable, signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const startedMs = host.monotonicMs();
    let mayHaveRun = false;
    let failure: RedisUnavailableError | undefined;
    for (let attempts = 1; ; attempts++) {
      if (closed) throw ended('This Redis client has been closed.', mayHaveRun);
      if (signal?.aborted) {
        if (failure !== undefined) throw summed(failure, mayHaveRun, names);
        throw ended('The run ended before Redis was asked.', mayHaveRun);
      }
      try {
        return await attempt(commands, options);
      } catch (error) {
        if (!(error instanceof RedisUnavailableError)) throw error;
        failure = error;
        mayHaveRun ||= error.mayHaveRun;
      }
      const again =
        failure.passing &&
        (repeatable || !mayHaveRun) &&
        attempts < MAX_ATTEMPTS &&
        host.monotonicMs() - startedMs < 2 * timeoutMs;
      if (!again) throw summed(failure, mayHaveRun, names);
      await host.sleep(FIRST_BACKOFF_MS * 2 ** (attempts - 1) * (0.5 + host.random()), signal);
    }
  };

  return {
    async send(requests, options) {
      if (requests.length === 0) return [];
      const commands = requests.map((request) => toCommand(request, seen));
      const slots = await exchange(commands, options);
      const missing = [...requests.entries()].flatMap(([index, request]) =>
        isScriptCall(request) && isNoScript(slots[index]) ? [{ index, call: request }] : [],
      );
      if (missing.length > 0) {
        const again = await exchange(
          missing.map(({ call }) => evaluate('EVAL', call.script.lua, call)),
          options,
        );
        for (const [i, { index }] of missing.entries()) slots[index] = again[i] ?? { reply: null };
      }
      for (const request of requests) if (isScriptCall(request)) seen.add(request.script.sha1);
      return slots.map(toReply);
    },
    async close() {
      closed = true;
      await (await transport)?.close();
    },
  };
}

/** Chosen by the URL's scheme. ioredis is loaded by the first request over TCP, and by nothing else. */
function chooseTransport({
  url,
  token,
  clientCertificate,
  host = systemHost,
}: RedisClientOptions): () => Promise<Transport> {
  const target = parseRedisUrl(url);
  if ('fault' in target) throw new ConfigError([`REDIS_URL ${target.fault}`]);
  if (target.kind === 'tcp') {
    return async () =>
      (await import('./tcp.ts')).createTcpTransport(target, {
        clientCertificate,
        monotonicMs: host.monotonicMs,
      });
  }
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new ConfigError(['REDIS_TOKEN must be the REST token, without spaces or line ends']);
  }
  return async () => createRestTransport(target, token);
}

function isScriptCall(request: Command | ScriptCall): request is ScriptCall {
  return 'script' in request;
}

function toCommand(request: Command | ScriptCall, seen: ReadonlySet<string>): WireCommand {
  if (!isScriptCall(request)) return request.map(String);
  const { sha1, lua } = request.script;
  return seen.has(sha1) ? evaluate('EVALSHA', sha1, request) : evaluate('EVAL', lua, request);
}

function evaluate(name: 'EVAL' | 'EVALSHA', script: string, { keys, args }: ScriptCall): WireCommand {
  return [name, script, String(keys.length), ...keys, ...args.map(String)];
}

function isNoScript(slot: Slot | undefined): boolean {
  return slot !== undefined && 'error' in slot && slot.error.startsWith('NOSCRIPT');
}

function toReply(slot: Slot): Reply | RedisReplyError {
  return 'error' in slot ? new RedisReplyError(cutCommand(slot.error)) : slot.reply;
}

/** The last attempt's error, with what all attempts may have done, and the settings called as the operator calls them. */
function summed(
  { message, trouble, passing }: RedisUnavailableError,
  mayHaveRun: boolean,
  names: SettingNames | undefined,
): RedisUnavailableError {
  const text = names === undefined ? message : withNames(message, names);
  return new RedisUnavailableError(text, { mayHaveRun, trouble, passing });
}

function ended(message: string, mayHaveRun: boolean): RedisUnavailableError {
  return new RedisUnavailableError(message, { mayHaveRun, trouble: 'ended', passing: false });
}
