import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export type FunctionName = 'ip-check' | 'producer-notify';

/** What a worker is told. */
export interface WorkerOrder {
  readonly name: FunctionName;
  readonly event: unknown;
  readonly requestId: string;
  readonly timeLimitMs: number;
}

/** What a worker says. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answered'; readonly answer: unknown }
  | { readonly kind: 'threw'; readonly error: string };

/** What an invocation came to. `died`: its process ended without having been killed, which nothing here should bring about. */
export type InvocationEnd =
  | { readonly kind: 'answered'; readonly answer: unknown }
  | { readonly kind: 'threw' | 'died'; readonly error: string }
  | { readonly kind: 'killed' };

/** An invocation that is being run. */
export interface Running {
  readonly container: string;
  readonly order: WorkerOrder;
}

/** The processes that run the handlers, each one invocation at a time, kept for the next one as Lambda does. */
export interface Containers {
  readonly running: readonly Running[];
  invoke(order: WorkerOrder): Promise<InvocationEnd>;
  /** SIGKILL, at this very moment. What it was running ends as `killed`. */
  kill(running: Running): void;
  end(): Promise<void>;
}

interface Container {
  readonly id: string;
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly gone: Promise<unknown>;
  readonly complaint: () => string;
  killed: boolean;
  /** Taken for an invocation, which may still wait for the process to be ready. */
  taken: boolean;
  current: Running | undefined;
}

/** `worker` is the file that a container runs; `envOf` answers its whole environment, by its id. */
export function createContainers(
  worker: string,
  envOf: (id: string) => Readonly<Record<string, string>>,
): Containers {
  const all = new Set<Container>();
  let started = 0;

  const start = (): Container => {
    const id = `container-${++started}`;
    const child = fork(worker, {
      execArgv: [],
      env: envOf(id),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2_000);
    });
    const gone = once(child, 'exit');
    const container: Container = {
      id,
      child,
      gone,
      ready: Promise.race([
        once(child, 'message').then(() => {}),
        gone.then(() => Promise.reject(new Error(`A worker did not start:\n${complaint}`))),
      ]),
      complaint: () => complaint,
      killed: false,
      taken: false,
      current: undefined,
    };
    all.add(container);
    gone.finally(() => all.delete(container));
    container.ready.catch(() => {});
    return container;
  };

  const endOf = async (container: Container): Promise<InvocationEnd> => {
    const message = once(container.child, 'message').then(([said]) => said as WorkerMessage);
    const end = await Promise.race([message, container.gone.then(() => undefined)]);
    if (end?.kind === 'answered' || end?.kind === 'threw') return end;
    return container.killed ? { kind: 'killed' } : { kind: 'died', error: container.complaint() };
  };

  return {
    get running() {
      return [...all].flatMap(({ current, killed }) => (current && !killed ? [current] : []));
    },
    async invoke(order) {
      const container = [...all].find(({ taken, killed }) => !taken && !killed) ?? start();
      container.taken = true;
      try {
        await container.ready;
        const end = endOf(container);
        container.current = { container: container.id, order };
        container.child.send(order);
        return await end;
      } finally {
        container.taken = false;
        container.current = undefined;
      }
    },
    kill(running) {
      for (const container of all) {
        if (container.current !== running) continue;
        container.killed = true;
        container.child.kill('SIGKILL');
        // The next one gets ready in the meantime.
        start();
      }
    },
    async end() {
      for (const { child } of all) child.kill('SIGKILL');
      await Promise.all([...all].map(({ gone }) => gone));
    },
  };
}
