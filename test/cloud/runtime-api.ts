import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { Owner } from '../support/owner.ts';
import { programEnv, ROOT } from '../support/processes.ts';

/** AWS's runtime interface client, which test/cloud/build-ric.sh builds. */
const CLIENT = path.join(ROOT, '.ric/aws-lambda-ric');

/**
 * Options for a test that needs the runtime interface client: skipped, with the reason, where it is not built.
 *
 * @throws Error where CI is set: there, a missing client must not look like a pass.
 */
export function needsRuntimeClient(): { skip?: string } {
  if (existsSync(path.join(CLIENT, 'rapid-client.node'))) return {};
  if (process.env.CI)
    throw new Error('CI needs test/cloud/build-ric.sh to have run: tests must not be skipped there.');
  return { skip: "NEEDS AWS's runtime client (test/cloud/build-ric.sh, with g++ and libcurl4-openssl-dev)" };
}

/** What the function answered, or the error that it reported. */
export type Reply =
  | { readonly answer: Record<string, unknown> }
  | { readonly error: Record<string, unknown> };

/** One container: the client with a packaged function, and the Runtime API that it asks. */
export interface Container {
  readonly pid: number;
  /** From the start of the process to the first request for an event, ms. */
  readonly initMs: number;
  /** Runs the function on an event, as Lambda does: with `timeoutMs` until its deadline. */
  invoke(event: unknown, timeoutMs?: number): Promise<Reply>;
  /** Resolves once the container waits for its next event. Lambda freezes one only then. */
  waits(): Promise<void>;
  /** The most memory that the process has had, MB. */
  peakMemoryMb(): Promise<number>;
  /** All that it has printed. */
  output(): string;
}

export async function startContainer(
  t: Owner,
  name: string,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<Container> {
  const waiting = new Map<string, (reply: Reply) => void>();
  let next = Promise.withResolvers<ServerResponse>();
  const server = createServer(async (request, response) => {
    const [, id = '', kind] =
      /^\/2018-06-01\/runtime\/(?:invocation\/([^/]+)|init)\/?(response|error)?$/.exec(request.url ?? '') ??
      [];
    if (request.method === 'GET' && id === 'next') {
      next.resolve(response);
      return;
    }
    const body = await text(request);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
    if (kind === 'response') waiting.get(id)?.({ answer: JSON.parse(body) });
    else waiting.get(id)?.({ error: JSON.parse(body) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const startedMs = performance.now();
  const child: ChildProcess = spawn(process.execPath, [path.join(CLIENT, 'index.mjs')], {
    cwd: folder,
    env: programEnv({
      HOME: folder,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
      _HANDLER: `functions/${name}.handler`,
      LAMBDA_TASK_ROOT: folder,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: 'stream',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'function',
      AWS_SECRET_ACCESS_KEY: 'none',
      // Where the runtime ships the SDK.
      NODE_PATH: path.join(ROOT, 'node_modules'),
      ...env,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const gone = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
    server.closeAllConnections();
    server.close();
  });
  const died = gone.then(() => Promise.reject(new Error(`The runtime client ended:\n${output}`)));
  died.catch(() => undefined);
  await Promise.race([next.promise, died]);
  const initMs = performance.now() - startedMs;

  return {
    pid: child.pid ?? -1,
    initMs,
    async invoke(event, timeoutMs = 30_000) {
      const id = randomUUID();
      const reply = new Promise<Reply>((resolve) => waiting.set(id, resolve));
      const response = await Promise.race([next.promise, died]);
      next = Promise.withResolvers();
      response
        .writeHead(200, {
          'content-type': 'application/json',
          'Lambda-Runtime-Aws-Request-Id': id,
          'Lambda-Runtime-Deadline-Ms': String(Date.now() + timeoutMs),
          'Lambda-Runtime-Invoked-Function-Arn': `arn:aws:lambda:eu-central-1:123456789012:function:${name}`,
          'Lambda-Runtime-Trace-Id':
            'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0',
        })
        .end(JSON.stringify(event));
      return Promise.race([reply, died]);
    },
    async waits() {
      await Promise.race([next.promise, died]);
    },
    async peakMemoryMb() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    },
    output: () => output,
  };
}
