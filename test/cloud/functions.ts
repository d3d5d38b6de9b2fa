import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT } from '../support/processes.ts';
import { readZip } from '../support/zip.ts';

export interface FunctionsOptions {
  /** AWS's endpoint, for what the functions invoke. */
  readonly url: string;
  fetchCode(name: string, region: string): Promise<Buffer>;
  fetchEnvironment(name: string, region: string): Promise<Record<string, string>>;
}

export interface Functions {
  /** As Lambda's Invoke: an asynchronous one is accepted at once and runs on. */
  invoke(
    name: string,
    region: string,
    invocation: { asynchronous: boolean; event: string },
  ): Promise<{ status: number; headers: Record<string, string>; body: string }>;
  idle(): Promise<void>;
}

/** Runs the handler that HANDLER names once, and prints its answer as the last line. */
const RUN = `
const { handler } = require(process.env.HANDLER);
const context = {
  awsRequestId: crypto.randomUUID(), functionName: process.env.AWS_LAMBDA_FUNCTION_NAME, invokedFunctionArn: 'arn',
  memoryLimitInMB: '256', getRemainingTimeInMillis: () => 45_000,
};
handler(JSON.parse(process.env.EVENT), context).then(
  (answer) => ({ answer }),
  (error) => ({ error: { errorType: error.name, errorMessage: error.message } }),
).then((outcome) => {
  require('node:fs').writeSync(3, JSON.stringify(outcome));
  process.exit(0);
});
`;

/** Runs deployed functions on this machine: the archive and the environment that are deployed, and nothing else. */
export function createFunctions({ url, fetchCode, fetchEnvironment }: FunctionsOptions): Functions {
  const running = new Set<Promise<unknown>>();

  async function run(name: string, region: string, event: string) {
    const [archive, variables] = await Promise.all([fetchCode(name, region), fetchEnvironment(name, region)]);
    const folder = await mkdtemp(path.join(tmpdir(), 'p2p-task-'));
    try {
      for (const [file, content] of readZip(archive)) {
        await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
        await writeFile(path.join(folder, file), content);
      }
      const key = name.replace(/^p2p-consumer-scheduler-[^-]+-/, '');
      const child = spawn(process.execPath, ['--eval', RUN], {
        cwd: folder,
        env: {
          ...variables,
          PATH: process.env.PATH,
          NODE_PATH: path.join(ROOT, 'node_modules'),
          HANDLER: path.join(folder, 'functions', `${key}.cjs`),
          EVENT: event || '{}',
          AWS_REGION: region,
          AWS_ACCESS_KEY_ID: 'function',
          AWS_SECRET_ACCESS_KEY: 'none',
          AWS_ENDPOINT_URL_LAMBDA: url,
          AWS_LAMBDA_FUNCTION_NAME: name,
        },
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      });
      const [, stdout, stderr, told] = child.stdio;
      if (!stdout || !stderr || !told || !('read' in told)) throw new Error('the child has no pipes');
      const [out, err, outcome] = await Promise.all([
        text(stdout),
        text(stderr),
        text(told),
        once(child, 'close'),
      ]);
      if (outcome === '') throw new Error(`${name} ended its process:\n${out}${err}`);
      const { answer, error }: { answer?: unknown; error?: unknown } = JSON.parse(outcome);
      return {
        status: 200,
        headers: error === undefined ? {} : { 'x-amz-function-error': 'Unhandled' },
        body: JSON.stringify(error ?? answer),
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  return {
    async invoke(name, region, { asynchronous, event }) {
      const invocation = run(name, region, event);
      running.add(invocation);
      const ended = invocation.finally(() => running.delete(invocation));
      if (!asynchronous) return ended;
      ended.catch(() => undefined);
      return { status: 202, headers: {}, body: '' };
    },
    idle: async () => {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}
