import { parseArgs } from 'node:util';
import { visible } from '../report/text/escape.ts';
import { UsageError } from './errors.ts';

/** Every option of every command: the same name means the same everywhere. */
export const OPTIONS = {
  json: { type: 'boolean', help: 'print one JSON document instead of text' },
  'env-file': { type: 'string', value: 'file', help: 'read this file instead of .env' },
  help: { type: 'boolean', short: 'h', help: 'explain the command' },
  version: { type: 'boolean', help: 'print versions' },
  state: { type: 'string', value: 'a,b', help: 'only those in one of these states' },
  uuid: { type: 'string', value: 'start', help: 'only those whose UUID starts so' },
  limit: { type: 'string', value: 'n', help: 'show at most so many' },
  wide: { type: 'boolean', help: 'do not shorten anything to fit the terminal' },
  watch: { type: 'boolean', help: 'look again every two seconds until Ctrl-C' },
  all: { type: 'boolean', help: 'read every record, however many there are' },
  replace: { type: 'boolean', help: 'also where the UUID is known at another address' },
  stage: { type: 'string', value: 'name', help: 'run the deployed function of this stage on AWS' },
  region: { type: 'string', value: 'name', help: 'with --stage; else AWS_REGION, or us-east-1' },
  'dry-run': { type: 'boolean', help: 'show what would be done; call no peer, change nothing' },
  test: { type: 'boolean', help: 'send one message that says that it is a test' },
  yes: { type: 'boolean', short: 'y', help: 'do not ask' },
  verbose: { type: 'boolean', short: 'v', help: 'print what the job logs, too' },
  ip: { type: 'string', value: 'address', help: "this consumer's public address" },
  id: { type: 'string', value: 'id', help: 'the id that was printed: the word counts once' },
  allow: { type: 'string', value: 'networks', help: 'networks that are not public and may be called' },
  redis: { type: 'string', value: 'url', help: 'the test database of the consumer API' },
  prefix: { type: 'string', value: 'text', help: 'with --redis: its REDIS_PREFIX, if not {p2p}:' },
  port: { type: 'string', value: 'n', help: "page: its port; verify: the consumer API's PEER_PORT" },
  as: { type: 'string', value: 'uuid', help: 'with SIGNING_KEY: a uuid whose key the peer knows' },
  reach: { type: 'string', value: 'ip[:port]', help: 'where consumers reach your consumer API' },
} as const satisfies Record<string, OptionRule>;

interface OptionRule {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** What the option's value is, for the help. */
  readonly value?: string;
  readonly help: string;
}

export type OptionName = keyof typeof OPTIONS;
type Named<Type> = {
  [Name in OptionName]: (typeof OPTIONS)[Name]['type'] extends Type ? Name : never;
}[OptionName];

/** How an option is written: `-y, --yes`, `--limit n`. */
export function optionText(name: OptionName): string {
  const rule = OPTIONS[name];
  const short = 'short' in rule ? `-${rule.short}, ` : '';
  return `${short}--${name}${'value' in rule ? ` ${rule.value}` : ''}`;
}

/** A command line, taken apart. */
export interface Arguments {
  /** The command and what follows it, options left out. */
  readonly words: readonly string[];
  readonly options: readonly OptionName[];
  flag(name: Named<'boolean'>): boolean;
  text(name: Named<'string'>): string | undefined;
  /** @throws UsageError unless it is a whole number from `min` on, `max` at most. */
  whole(name: Named<'string'>, rule: { fallback: number; min: number; max?: number }): number;
}

/** @throws UsageError for an option that no command has, or that lacks its value. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parse(argv);
  const given = new Map<string, string | boolean>(Object.entries(values));
  const text = (name: Named<'string'>) => {
    const value = given.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return {
    words: positionals,
    options: [...given.keys()].filter(isOption),
    flag: (name) => given.get(name) === true,
    text,
    whole(name, { fallback, min, max }) {
      const value = text(name);
      if (value === undefined) return fallback;
      const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= (max ?? number)) return number;
      throw new UsageError(
        `--${name} must be a whole number from ${min} ${max === undefined ? 'on' : `to ${max}`}.`,
      );
    },
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(faultOf(error instanceof Error ? error.message : ''));
  }
}

/** What parseArgs found, in words for somebody who types. It quotes the option. */
function faultOf(message: string): string {
  const [, option = ''] = /'(?:-\w, )?(-[^' ]*)/.exec(message) ?? [];
  const shown = visible(option, 100);
  if (message.startsWith('Unknown option')) return `There is no option ${shown}.`;
  if (message.includes('does not take an argument')) return `${shown} takes no value.`;
  return `${shown} needs a value. One that begins with "-" is written so: ${shown}=-x.`;
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}
