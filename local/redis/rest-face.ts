import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv4 } from 'node:net';
import { type Answer, type Encoding, encodeAnswer, encodeResp2, encodeSlot } from './rest-answer.ts';
import {
  commandOf,
  commandsOf,
  type FaceCommand,
  pathCommand,
  RequestError,
  refusalOf,
} from './rest-command.ts';
import { streamEvents, wantsEvents } from './rest-stream.ts';
import { createUpstream, UpstreamDownError, type UpstreamSlot } from './upstream.ts';

export interface RestFaceOptions {
  /** The Redis behind, `redis://` or `rediss://`. */
  readonly redisUrl: string;
  /** What callers have to present. */
  readonly token: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** A loopback address; default 127.0.0.1. */
  readonly host?: string;
}

export interface RestFace {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  close(): Promise<void>;
}

/** Upstash's limit of a request, https://upstash.com/docs/redis/troubleshooting/max_request_size. */
const MAX_BODY_BYTES = 10 * 1024 * 1024;

/**
 * Serves Upstash's REST API (https://upstash.com/docs/redis/features/restapi) in front of a Redis, for development:
 * `POST /`, `/pipeline`, `/multi-exec`, `/<command>/<arg>/…?<option>=<value>`, and server-sent events for `/subscribe`.
 *
 * @throws Error if `host` is no loopback address, or the port is in use.
 */
export async function startRestFace(options: RestFaceOptions): Promise<RestFace> {
  const { redisUrl, token, port = 0, host = '127.0.0.1' } = options;
  if (!(host === '::1' || (isIPv4(host) && host.startsWith('127.')))) {
    throw new Error(`The REST face is a development server and listens on loopback only, not on ${host}.`);
  }
  const upstream = createUpstream(redisUrl);

  const handle = async (request: IncomingMessage, url: URL): Promise<Answer> => {
    const method = request.method ?? '';
    if (!['GET', 'HEAD', 'POST', 'PUT'].includes(method))
      return { status: 405, error: `ERR ${method} is not allowed` };
    const body = await readBody(request);
    switch (url.pathname) {
      case '/pipeline':
      case '/multi-exec': {
        if (method !== 'POST') return { status: 405, error: `ERR ${url.pathname} takes POST` };
        const commands = commandsOf(body);
        if (url.pathname === '/pipeline') return { status: 200, slots: await available(commands) };
        for (const command of commands) requireAvailable(command);
        const slots = await upstream.transaction(commands);
        return Array.isArray(slots) ? { status: 200, slots } : { status: 400, error: slots.error };
      }
      case '/':
        if (method !== 'POST') return { status: 405, error: 'ERR / takes POST' };
        return one(commandOf(body));
      default:
        return one(pathCommand(url, body));
    }
  };

  const one = async (command: FaceCommand): Promise<Answer> => {
    requireAvailable(command);
    const [slot] = await upstream.pipeline([command]);
    if (slot === undefined) return { status: 500, error: 'ERR no reply' };
    return 'error' in slot ? { status: 400, error: slot.error } : { status: 200, slot };
  };

  /** Runs what is available, and answers the others in their places. */
  const available = async (commands: readonly FaceCommand[]): Promise<UpstreamSlot[]> => {
    const refusals = commands.map(refusalOf);
    const run = commands.filter((_, index) => refusals[index] === undefined);
    const slots = (run.length > 0 ? await upstream.pipeline(run) : []).values();
    return refusals.map((error) => (error === undefined ? (slots.next().value ?? NO_REPLY) : { error }));
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(`http://face${request.url ?? '/'}`);
    // Read-your-writes: one Redis has nothing to wait for, so that any token will do. It differs for each answer.
    response.setHeader('upstash-sync-token', randomUUID());
    if (!isAuthorized(request, url, token)) {
      throw new RequestError(401, 'WRONGPASS invalid or missing auth token');
    }
    const format = formatOf(request);
    if (wantsEvents(request, url)) return streamEvents(redisUrl, url, response);
    reply(request, response, await handle(request, url), url.pathname === '/multi-exec' ? 'json' : format);
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error) => {
      if (response.headersSent) response.destroy();
      else reply(request, response, toAnswer(error), 'json');
    });
  });
  await once(server.listen({ port, host, exclusive: true }), 'listening').catch((error) => {
    upstream.close();
    throw error;
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host === '::1' ? '[::1]' : host}:${bound}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      upstream.close();
      await closed;
    },
  };
}

const NO_REPLY: UpstreamSlot = { error: 'ERR no reply' };

/** @throws RequestError */
function requireAvailable(command: FaceCommand): void {
  const refusal = refusalOf(command);
  if (refusal !== undefined) throw new RequestError(400, refusal);
}

type Format = 'json' | 'resp2';

/** @throws RequestError for a format that there is not, or that does not go with the encoding. */
function formatOf({ headers }: IncomingMessage): Format {
  const format = headers['upstash-response-format'] ?? 'json';
  if (format !== 'json' && format !== 'resp2') throw new RequestError(400, 'ERR invalid response format');
  if (format === 'resp2' && headers['upstash-encoding'] !== undefined) {
    throw new RequestError(400, 'ERR Upstash-Encoding is not available with the response format resp2');
  }
  return format;
}

/** By header or, as Upstash allows too, by the parameter `_token`. Hashed, so that the comparison takes equal time. */
function isAuthorized(request: IncomingMessage, url: URL, token: string): boolean {
  const given =
    /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? url.searchParams.get('_token');
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return given !== null && timingSafeEqual(hash(given), hash(token));
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): RequestError {
  return new RequestError(413, `ERR max request size exceeded. Limit: ${MAX_BODY_BYTES} bytes`);
}

function toAnswer(error: unknown): Answer {
  if (error instanceof RequestError) return { status: error.status, error: error.message };
  if (error instanceof UpstreamDownError) return { status: 502, error: error.message };
  return { status: 500, error: 'ERR internal error of the REST face' };
}

function reply(request: IncomingMessage, response: ServerResponse, answer: Answer, format: Format): void {
  const body = format === 'resp2' && !('error' in answer) ? inResp2(answer) : inJson(request, answer);
  response.writeHead(answer.status, {
    'content-type': typeof body === 'string' ? 'application/json' : 'application/octet-stream',
    'content-length': Buffer.byteLength(body),
    // What was not read of a refused body must not be taken for the next request.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function inJson(request: IncomingMessage, answer: Answer): string {
  const encoding: Encoding = request.headers['upstash-encoding'] === 'base64' ? 'base64' : 'plain';
  if ('error' in answer) return JSON.stringify({ error: answer.error });
  return 'slots' in answer ? encodeAnswer(answer.slots, encoding) : encodeSlot(answer.slot, encoding);
}

function inResp2(answer: Exclude<Answer, { error: string }>): Buffer {
  return encodeResp2('slots' in answer ? answer.slots : [answer.slot]);
}
