import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A forked process that is asked one thing at a time. */
export interface Child<Question, Message> {
  readonly pid: number;
  /** The next message after this question. Rejects when the process ends instead. */
  ask(question: Question): Promise<Message>;
  /** Ends the process and waits until it is gone. */
  end(): Promise<void>;
}

/**
 * Forks `module` with this Node, without the options of the parent, and waits for its first message.
 *
 * @throws Error with the end of the child's stderr if it ends first.
 */
export async function forkChild<Question extends object, Message>(
  module: URL,
  { argument = '', env = {} }: { argument?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<{ child: Child<Question, Message>; first: Message }> {
  const process_ = fork(module, argument === '' ? [] : [argument], {
    execArgv: [],
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const gone = once(process_, 'exit');
  let complaint = '';
  process_.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000);
  });

  const next = () => nextMessage<Message>(process_, () => complaint);
  const end = async () => {
    if (process_.exitCode === null && process_.signalCode === null) process_.kill('SIGKILL');
    await gone;
  };
  try {
    const first = await next();
    const ask = async (question: Question) => {
      if (!process_.connected) throw new Error(`${module.pathname} has ended`);
      const reply = next();
      process_.send(question);
      return reply;
    };
    return { child: { pid: process_.pid ?? 0, ask, end }, first };
  } catch (error) {
    await end();
    throw error;
  }
}

function nextMessage<Message>(child: ChildProcess, complaint: () => string): Promise<Message> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown) => {
      child.off('close', onClose);
      resolve(message as Message);
    };
    const onClose = (code: number | null, signal: string | null) => {
      child.off('message', onMessage);
      reject(new Error(`${child.spawnargs.at(-1)} ended with ${signal ?? code}\n${complaint()}`.trimEnd()));
    };
    child.once('message', onMessage);
    child.once('close', onClose);
  });
}
