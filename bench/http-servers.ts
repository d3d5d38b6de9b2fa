import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A small HTTP server on loopback in this process, for what is asked seldom. */
export interface LoopbackServer {
  readonly url: string;
  end(): Promise<void>;
}

/** Requests, and the commands in them, that went through the proxy since it was last asked. */
export interface RestCounts {
  readonly requests: number;
  readonly commands: number;
}

/**
 * Stands in front of a Redis REST API and counts what really goes over the wire: each request is a round trip, each
 * command of a pipeline is one that Upstash bills.
 */
export async function startCountingProxy(target: string): Promise<LoopbackServer & { take(): RestCounts }> {
  let requests = 0;
  let commands = 0;
  const server = await serve(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    requests++;
    commands += countCommands(request.url ?? '', body);
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method ?? 'POST',
      headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
      body,
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  return {
    ...server,
    take() {
      const counts = { requests, commands };
      requests = 0;
      commands = 0;
      return counts;
    },
  };
}

function countCommands(path: string, body: Buffer): number {
  if (path !== '/pipeline' && path !== '/multi-exec') return 1;
  const parsed: unknown = JSON.parse(body.toString());
  return Array.isArray(parsed) ? parsed.length : 1;
}

/** An echo service that says the caller's public IP is `ip`. */
export async function startIpSource(ip: string): Promise<LoopbackServer & { take(): number }> {
  let requests = 0;
  const server = await serve((_, response) => {
    requests++;
    response.writeHead(200, { 'content-type': 'text/plain' }).end(`${ip}\n`);
  });
  return {
    ...server,
    take() {
      const count = requests;
      requests = 0;
      return count;
    },
  };
}

/** The text of a page. @throws Error for a status other than 200. */
export async function getPage(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
  return text;
}

/** Serves HTTP on loopback. */
export async function serve(listener: RequestListener): Promise<LoopbackServer> {
  const server = createServer(listener);
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async end() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
