import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Lambda's Invoke API, as far as the official SDK needs it to start a function asynchronously. */
export interface LambdaEndpoint {
  /** For `AWS_ENDPOINT_URL_LAMBDA`. */
  readonly url: string;
  close(): Promise<void>;
}

const INVOKE = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/** `onInvoke` answers whether the invocation is accepted. What becomes of it then is nobody's business who asked. */
export async function startLambdaEndpoint(
  onInvoke: (functionName: string, payload: unknown) => boolean,
): Promise<LambdaEndpoint> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const name = INVOKE.exec(request.url ?? '')?.[1];
      const asynchronous = request.headers['x-amz-invocation-type'] === 'Event';
      if (name === undefined || !asynchronous) return response.writeHead(404).end('{}');
      const accepted = onInvoke(name, JSON.parse(Buffer.concat(chunks).toString() || '{}'));
      return response.writeHead(accepted ? 202 : 500, { 'content-type': 'application/json' }).end('');
    });
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
