import { createInterface } from 'node:readline';
import { onEndRequest } from '../host/end-request.ts';
import type { AppOptions } from '../lib/app.ts';
import type { Environment } from '../lib/config.ts';

/** The parts of the scheduler that a test may bring. */
export type Brought = Partial<Pick<AppOptions, 'redis' | 'post' | 'sources' | 'host'>>;

/** A terminal on which the output may be drawn over and over. */
export interface Display {
  /** As it is now. */
  size(): { readonly columns: number; readonly rows: number };
  /** Calls the listener whenever the size has changed, until the answer is called. */
  onResize(listener: () => void): () => void;
}

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
  /** Stdout, where it is a terminal that can be drawn on. */
  readonly display?: Display;
  /** Stdout. */
  write(text: string): void;
  /** Stderr. */
  writeError(text: string): void;
  /** Resolves when what was written has been taken by whoever reads it. */
  flush(): Promise<void>;
  /** Asks on stderr; the answer, or nothing where the input ends. */
  ask(question: string): Promise<string>;
  /**
   * From now on Ctrl-C, SIGTERM and SIGHUP abort the signal instead of ending the process; the second time they end it. A
   * reader of stdout that goes away ends the process only with `needsReader`. `end` gives them back, unless one came.
   */
  watchInterrupts(options?: { readonly needsReader?: boolean }): {
    readonly signal: AbortSignal;
    end(): void;
  };
  readonly brought?: Brought;
}

/** Wider lines are hard to read. */
const MOST_COLUMNS = 100;
/** 128 + SIGPIPE: whoever read the output is gone. */
const NO_READER = 141;

/**
 * This process's terminal. A reader of stdout that goes away (`| head`) ends the process quietly, but not while a job
 * runs: that finishes or hands back its work first, also when the terminal was closed.
 */
export function processTerminal(env: Environment): Terminal {
  const { stdin, stdout, stderr } = process;
  let working = 0;
  stdout.on('error', () => {
    if (working === 0) process.exit(NO_READER);
  });
  stderr.on('error', () => undefined);
  const columns = () => Math.min(stdout.columns || 80, MOST_COLUMNS);
  return {
    env,
    folder: process.cwd(),
    columns: columns(),
    colour: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    draws: stderr.isTTY === true && env.TERM !== 'dumb',
    ...(stdout.isTTY && env.TERM !== 'dumb'
      ? {
          display: {
            size: () => ({ columns: columns(), rows: stdout.rows || 24 }),
            onResize: (listener) => {
              stdout.on('resize', listener);
              return () => stdout.off('resize', listener);
            },
          },
        }
      : {}),
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
    watchInterrupts({ needsReader = false } = {}) {
      const interrupted = new AbortController();
      const holds = needsReader ? 0 : 1;
      working += holds;
      const stopListening = onEndRequest(() => interrupted.abort());
      return {
        signal: interrupted.signal,
        end() {
          working -= holds;
          stopListening();
        },
      };
    },
  };
}
