import type { IncomingMessage, ServerResponse } from 'node:http';
import { Redis } from 'ioredis';
import { RequestError } from './rest-command.ts';

/** Paths that are answered by a stream of server-sent events, where the caller accepts one. */
const STREAMS = ['/subscribe/', '/psubscribe/', '/monitor'];

/** Whether a request is answered by `streamEvents`. */
export function wantsEvents(request: IncomingMessage, { pathname }: URL): boolean {
  const accepted = request.headers.accept?.toLowerCase().includes('text/event-stream') ?? false;
  return accepted && STREAMS.some((path) => `${pathname}/`.toLowerCase().startsWith(path));
}

/**
 * Answers `/subscribe/<channel>/…`, `/psubscribe/<pattern>/…` and `/monitor` with server-sent events until the caller leaves,
 * the face closes or Redis ends the connection. Each caller has a connection to Redis of its own.
 *
 * @throws RequestError for a path without a channel, or if Redis cannot be reached.
 */
export async function streamEvents(redisUrl: string, url: URL, response: ServerResponse): Promise<void> {
  const [command = '', ...names] = url.pathname.slice(1).split('/').map(decodeURIComponent);
  const channels = names.filter((name) => name !== '');
  if (command.toLowerCase() !== 'monitor' && channels.length === 0) {
    throw new RequestError(400, "ERR wrong number of arguments for 'subscribe' command");
  }
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: 2_000,
    enableReadyCheck: false,
    retryStrategy: () => null,
    disableClientInfo: true,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
  } catch {
    throw new RequestError(502, 'ERR the Redis behind the REST face does not answer');
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  // A line of its own for each line of the text, as the format demands.
  const send = (text: string) => response.write(`data: ${text.split(/\r\n|\r|\n/).join('\ndata: ')}\n\n`);
  response.on('close', () => redis.disconnect());
  redis.on('end', () => response.end());

  if (command.toLowerCase() === 'monitor') {
    const monitor = await redis.monitor();
    response.on('close', () => monitor.disconnect());
    send('"OK"');
    monitor.on('monitor', (time: string, args: string[], source: string, database: string) =>
      send(`${time} [${database} ${source}] ${args.map((arg) => JSON.stringify(arg)).join(' ')}`),
    );
    return;
  }
  redis.on('message', (channel: string, message: string) => send(`message,${channel},${message}`));
  redis.on('pmessage', (pattern: string, channel: string, message: string) =>
    send(`pmessage,${pattern},${channel},${message}`),
  );
  const isPattern = command.toLowerCase() === 'psubscribe';
  for (const [index, channel] of channels.entries()) {
    await (isPattern ? redis.psubscribe(channel) : redis.subscribe(channel));
    send(`${command.toLowerCase()},${channel},${index + 1}`);
  }
}
