import { createInterface } from 'node:readline';
import type { Environment } from '../host/env-file.ts';
import type { AppOptions } from '../lib/app.ts';

/** The parts of the scheduler that a test may bring. */
export type Brought = Partial<Pick<AppOptions, 'redis' | 'post' | 'sources' | 'host'>>;

/** What a command needs of the process that it runs in. Tests bring their own. */
export interface Terminal {
  /** The exported variables. */
  readonly env: Environment;
  /** Where a `.env` is looked for. */
  readonly folder: string;
  readonly columns: number;
  readonly colour: boolean;
  /** Whether somebody is there to be asked. */
  readonly interactive: boolean;
  /** Whether stderr is a terminal on which a line may be drawn over and over. */
  readonly draws: boolean;
  /** Stdout. */
  write(text: string): void;
  /** Stderr. */
  writeError(text: string): void;
  /** Resolves when what was written has been taken by whoever reads it. */
  flush(): Promise<void>;
  /** Asks on stderr; the answer, or nothing where the input ends. */
  ask(question: string): Promise<string>;
  /** From now on Ctrl-C and SIGTERM abort the signal; the second time they end the process. `end` gives them back. */
  watchInterrupts(): { readonly signal: AbortSignal; end(): void };
  readonly brought?: Brought;
}

/** Wider lines are hard to read. */
const MOST_COLUMNS = 100;
/** 128 + SIGPIPE: whoever read the output is gone. */
const NO_READER = 141;

/** This process's terminal. A reader of stdout that goes away (`| head`) ends the process quietly. */
export function processTerminal(env: Environment): Terminal {
  const { stdin, stdout, stderr } = process;
  stdout.on('error', () => process.exit(NO_READER));
  return {
    env,
    folder: process.cwd(),
    columns: Math.min(stdout.columns || 80, MOST_COLUMNS),
    colour: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    draws: stderr.isTTY === true && env.TERM !== 'dumb',
    write: (text) => void stdout.write(text),
    writeError: (text) => void stderr.write(text),
    flush: () => new Promise((resolve) => stdout.write('', () => resolve())),
    ask: (question) =>
      new Promise((resolve) => {
        const lines = createInterface({ input: stdin, output: stderr });
        lines.once('close', () => resolve(''));
        lines.question(question, (answer) => {
          resolve(answer);
          lines.close();
        });
      }),
    watchInterrupts() {
      const interrupted = new AbortController();
      const onSignal = () => {
        if (interrupted.signal.aborted) process.exit(130);
        interrupted.abort();
      };
      process.on('SIGINT', onSignal);
      process.on('SIGTERM', onSignal);
      return {
        signal: interrupted.signal,
        end() {
          process.off('SIGINT', onSignal);
          process.off('SIGTERM', onSignal);
        },
      };
    },
  };
}
