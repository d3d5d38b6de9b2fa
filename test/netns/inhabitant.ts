import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A Node process in a network namespace, which answers calls and reports what happens there. */
export interface Inhabitant {
  /** Has it do something, and answers the result. Rejects if it throws there or the process ends. */
  call(name: string, ...args: unknown[]): Promise<unknown>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Starts `script` in the namespace. `onReport` gets what it sends by `report`. */
export async function startInhabitant(
  namespace: string,
  script: string,
  { env = {}, onReport = () => {} }: { env?: NodeJS.ProcessEnv; onReport?: (message: unknown) => void },
): Promise<Inhabitant> {
  const child: ChildProcess = spawn('ip', ['netns', 'exec', namespace, process.execPath, script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const waiting = new Map<number, (answer: Answer) => void>();
  let calls = 0;
  child.on('message', (message: Answer | { report: unknown }) => {
    if ('report' in message) onReport(message.report);
    else waiting.get(message.id)?.(message);
  });
  exited.then(() => {
    for (const [id, settle] of waiting) settle({ id, error: `${script} ended` });
  });

  const call = (name: string, ...args: unknown[]) =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, ({ result, error }) => {
        waiting.delete(id);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      });
      child.send({ id, name, args }, (error) => {
        if (error) waiting.get(id)?.({ id, error: error.message });
      });
    });
  await call('start');
  return {
    call,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** To be called by the script: what it can do. `stop` is done before it ends, by SIGTERM or with its parent. */
export function inhabit(
  actions: Readonly<Record<string, (...args: never[]) => unknown>>,
  stop: () => Promise<void>,
): void {
  process.on('message', async ({ id, name, args }: { id: number; name: string; args: never[] }) => {
    try {
      process.send?.({ id, result: await actions[name]?.(...args) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  const end = async () => {
    await stop();
    process.exit(0);
  };
  process.once('SIGTERM', end);
  process.once('disconnect', end);
}

/** Tells the parent what happened. */
export function report(message: unknown): void {
  process.send?.({ report: message });
}
