import { runCommand } from '../../../cli/run.ts';
import type { Brought, Display, Terminal } from '../../../cli/terminal.ts';
import type { Source } from '../../../lib/ip/sources.ts';
import { createKeys } from '../../../lib/store/keys.ts';
import type { TestRedis } from '../../support/redis.ts';
import { type Said, sourceSaying } from '../../support/sources.ts';

export const LOCAL_UUID = '5e1f0000-0000-4000-8000-000000000001';
export const KEYS = createKeys('{p2p}:');

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Stdout as the JSON document that it must be. */
  json(): Record<string, unknown>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly brought?: Brought;
  readonly columns?: number;
  readonly colour?: boolean;
  readonly draws?: boolean;
  readonly display?: Display;
  /** Sees what is written to stdout, a call for each write. */
  readonly onWrite?: (text: string) => void;
  /** What is answered to a question; without it nobody is there to be asked. */
  readonly answer?: string;
  /** Interrupts the job when it resolves. */
  readonly interrupt?: Promise<unknown>;
}

/** Runs a command line in this process, its terminal caught. No `.env` is read. */
export async function p2p(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  let out = '';
  let err = '';
  const {
    env = {},
    brought,
    columns = 80,
    colour = false,
    draws = false,
    answer,
    interrupt,
    display,
  } = options;
  const terminal: Terminal = {
    env: { LOCAL_ENV_FILE: '', ...env },
    folder: '/',
    columns,
    colour,
    draws,
    interactive: answer !== undefined,
    write: (text) => {
      out += text;
      options.onWrite?.(text);
    },
    writeError: (text) => {
      err += text;
    },
    flush: async () => undefined,
    ask: async (question) => {
      err += `${question}${answer}\n`;
      return answer ?? '';
    },
    watchInterrupts() {
      const interrupted = new AbortController();
      void interrupt?.then(() => interrupted.abort());
      return { signal: interrupted.signal, end: () => undefined };
    },
    ...(display === undefined ? {} : { display }),
    ...(brought === undefined ? {} : { brought }),
  };
  const code = await runCommand(argv, terminal);
  return { code, out, err, json: () => JSON.parse(out) };
}

/** The variables of a consumer whose Redis and peers are on this machine. */
export function envOf(
  redis: Pick<TestRedis, 'url' | 'token'>,
  env: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    LOCAL_UUID,
    REDIS_URL: redis.url,
    REDIS_TOKEN: redis.token ?? '',
    PEER_ALLOW_CIDRS: '127.0.0.1/32',
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    IP_SOURCES: 'https://a.example,https://b.example,https://c.example',
    // The gateway of the machine on which the tests run is left alone.
    IP_HINTS: 'interface',
    ...env,
  };
}

/** Sources that say what they are told to say. Each is an operator of its own. */
export function sourcesSaying(...answers: (string | readonly ['dns', string])[]): Source[] {
  return answers.map((answer, i) => {
    const [kind, said] = typeof answer === 'string' ? (['http', answer] as const) : answer;
    return sourceSaying(`${String.fromCharCode(97 + i)}.example`, () => said as Said, kind);
  });
}

/** Now by Redis's clock, as a base of what a test writes. */
export async function redisNow(redis: TestRedis): Promise<number> {
  const [seconds] = (await redis.command('TIME')) as [string, string];
  return Number(seconds) * 1_000;
}

/** Every line is at most so wide, and nothing in it steers a terminal. */
export function faultsOfText(text: string, columns = 80): string[] {
  return text.split('\n').filter((line) => line.length > columns || /[\p{C}\p{Zl}\p{Zp}]/u.test(line));
}
