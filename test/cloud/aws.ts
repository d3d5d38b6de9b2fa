import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { awsTool } from '../support/aws-tools.ts';
import type { Owner } from '../support/owner.ts';
import { ROOT } from '../support/processes.ts';
import type { JsonObject } from '../support/template.ts';
import { type ApiCall, actionOf } from './api-calls.ts';
import { createFunctions } from './functions.ts';

/** AWS as far as the tests need it: moto behind a proxy that records each call and runs the Lambda functions. */
export interface Aws {
  readonly url: string;
  /** Everything that was called by the deployer, or by CloudFormation for it. */
  readonly calls: readonly ApiCall[];
  /** Calls an operation by boto3, and answers what it answered. */
  call(service: string, operation: string, parameters?: JsonObject, region?: string): Promise<JsonObject>;
  /** The saved log queries, by name. */
  queries(): Promise<Readonly<Record<string, JsonObject>>>;
  /** Resolves when no function that was invoked runs any more. */
  idle(): Promise<void>;
}

export const REGION = 'eu-central-1';
/** The access key that each kind of caller signs with: moto knows no callers, so this tells them apart. */
const RECORDED = ['deployer', 'cloudformation'];

export async function startAws(t: Owner): Promise<Aws> {
  const calls: ApiCall[] = [];
  const proxy = createServer((request, response) => {
    void answer(request).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      (error) => {
        console.error(error);
        response.writeHead(500).end();
      },
    );
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  const moto = spawn(awsTool('python'), [path.join(ROOT, 'test/cloud/moto_server.py')], {
    env: { PATH: process.env.PATH, AWS_ENDPOINT_URL: url, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(moto, 'exit');
  t.after(async () => {
    moto.kill();
    await gone;
  });
  const lastWords: string[] = [];
  createInterface({ input: moto.stderr }).on('line', (line) => {
    lastWords.push(line);
    if (lastWords.length > 40) lastWords.shift();
  });
  const [port] = await Promise.race([
    once(createInterface({ input: moto.stdout }), 'line'),
    gone.then(() => Promise.reject(new Error(`moto did not start:\n${lastWords.join('\n')}`))),
  ]);

  const functions = createFunctions({
    url,
    fetchCode: async (name, region) =>
      Buffer.from(await (await ask(`/test/code?name=${name}&region=${region}`)).arrayBuffer()),
    fetchEnvironment: async (name, region) => {
      const configuration = await call(
        'lambda',
        'get_function_configuration',
        { FunctionName: name },
        region,
      );
      return (configuration.Environment as { Variables: Record<string, string> }).Variables;
    },
  });
  t.after(functions.idle);

  async function answer(request: IncomingMessage) {
    const body = await buffer(request);
    const [, key = '', region = ''] =
      /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(request.headers.authorization ?? '') ?? [];
    if (RECORDED.includes(key)) calls.push({ by: key, action: actionOf(request, String(body)), region });
    const [, name] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '') ?? [];
    if (name !== undefined) {
      return functions.invoke(name, region, {
        asynchronous: request.headers['x-amz-invocation-type'] === 'Event',
        event: String(body),
      });
    }
    const reply = await forward(request, body, Number(port));
    // An error of moto itself, not one that AWS would answer: its trace is what helps.
    if (reply.status === 500) console.error(lastWords.join('\n'));
    return reply;
  }

  async function ask(pathAndQuery: string, body?: JsonObject): Promise<Response> {
    const response = await fetch(`http://127.0.0.1:${port}${pathAndQuery}`, {
      ...(body === undefined
        ? {}
        : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    if (!response.ok) throw new Error(`moto answered ${response.status}: ${await response.text()}`);
    return response;
  }

  async function call(service: string, operation: string, parameters: JsonObject = {}, region = REGION) {
    const response = await ask('/test/call', { service, operation, parameters, region });
    return (await response.json()) as JsonObject;
  }

  return {
    url,
    calls,
    call,
    queries: async () => (await (await ask('/test/queries')).json()) as Readonly<Record<string, JsonObject>>,
    idle: functions.idle,
  };
}

interface Reply {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer | string;
}

function forward({ method, url, headers }: IncomingMessage, body: Buffer, port: number): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const onward = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
      buffer(reply).then(
        (received) => resolve({ status: reply.statusCode ?? 500, headers: reply.headers, body: received }),
        reject,
      );
    });
    onward.on('error', reject);
    onward.end(body);
  });
}
