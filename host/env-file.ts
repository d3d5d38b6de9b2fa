import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import tls from 'node:tls';
import { parseEnv } from 'node:util';
import type { Environment } from '../lib/config.ts';
import { ConfigError } from '../lib/errors.ts';
import { isVariable } from '../lib/variables.ts';
import { plural } from '../report/text/count.ts';

/** What a process was given, and where from. */
export interface GivenEnvironment {
  /** The exported variables, and under them those of the file. */
  readonly env: Environment;
  /** The file that was read. */
  readonly file: string | undefined;
  /** The file and how many variables it gave, for an error about one of them. */
  readonly origin: string;
}

/**
 * The exported variables, and under them those of the `.env` in `folder`, if there is one. An exported `LOCAL_ENV_FILE`
 * names another file; exported empty it means none.
 *
 * Trusts the authorities of `NODE_EXTRA_CA_CERTS` in that file, for the whole process.
 *
 * @throws ConfigError if it names a file that cannot be read, or if the file would give a variable another value than
 * the one that stands there.
 */
export function readEnvironment(folder: string, exported: Environment): GivenEnvironment {
  const named = exported.LOCAL_ENV_FILE;
  const file = resolve(folder, named || '.env');
  if (named === '' || (named === undefined && !existsSync(file))) {
    const looked = named === '' ? 'no file was to be read' : `there is no ${file}`;
    return { env: exported, file: undefined, origin: `the exported variables (${looked})` };
  }
  const text = read(file);
  const given = parseEnv(text);
  const origin = `${file} (${plural(Object.keys(given).length, 'variable')}) and the exported variables`;
  const faults = [...misread(text, given), ...trustAuthorities({ ...given, ...exported }, exported)];
  if (faults.length > 0) throw new ConfigError(faults, origin);
  return { env: { ...given, ...exported }, file, origin };
}

/**
 * The one option of `npm run host` and `npm start`, `--env-file <file>` or `--env-file=<file>`, as the variable that it
 * stands for.
 *
 * @throws ConfigError for anything else, which would be left unread.
 */
export function fileOption(args: readonly string[]): Environment {
  const [first = '', second, ...more] = args;
  if (args.length === 0) return {};
  const inline = /^--env-file=(.+)$/.exec(first)?.[1];
  const file = first === '--env-file' ? second : inline;
  const rest = inline === undefined ? more : args.slice(1);
  if (file && rest.length === 0) return { LOCAL_ENV_FILE: file };
  throw new ConfigError(['the only option is --env-file <file>; everything else is a variable']);
}

/** The text of the file, without the byte order mark that some editors put in front of it. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\ufeff/, '');
  } catch (error) {
    throw new ConfigError([`the file ${file} cannot be read: ${whyUnreadable(error)}`]);
  }
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return UNREADABLE[code] ?? code;
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is none',
  EACCES: 'this user has no right to',
  EISDIR: 'it is a folder',
};

/** Lines from which `parseEnv` takes another value than a reader sees, or none. */
function misread(text: string, given: Environment): string[] {
  if (text.includes('\0')) return ['the file is not in UTF-8'];
  const lines = [...text.matchAll(/^[ \t]*(?:export )?[ \t]*([A-Z][A-Z0-9_]*)[ \t]*=([ \t]*)(.*)$/gm)];
  const seen = new Map<string, string>();
  const faults = lines.flatMap(([, name = '', space = '', written = '']) => {
    const before = seen.get(name);
    seen.set(name, written.trim());
    if (!isVariable(name) || given[name] === undefined) return [];
    if (before !== undefined && before !== written.trim()) return [`${name} stands twice, with two values`];
    if (!/^["'`]/.test(written) && /[^\s#]#/.test(`=${space}${written}`)) {
      return [`${name} holds a "#", which begins a comment: put the value in quotes (in a URL write %23)`];
    }
    if (/^(["'`]).*\1\s*[^\s#"'`]/.test(written)) return [`${name} goes on after its closing quote`];
    return [];
  });
  const unread = [...text.matchAll(ALMOST_A_SETTING)]
    .map(([, name = '']) => name.toUpperCase().replaceAll('-', '_'))
    .filter((name) => isVariable(name) && !seen.has(name));
  return [
    ...faults,
    ...unread.map((name) => `${name} stands in a line that is not read: write ${name}=<value>`),
  ];
}

/** `NAME: value`, `NAME value`, `name=value`, `set NAME=value`, `$env:NAME=value`, and with a space that is none of ASCII's. */
const ALMOST_A_SETTING =
  /^[^\S\n]*(?:(?:export|set|setx|\$env:)[^\S\n]*)*([a-z][a-z0-9_-]*)[^\S\n]*[=:\s]/gim;

/**
 * Trusts the authorities of `NODE_EXTRA_CA_CERTS` where the file names it: Node itself reads that variable only if it is
 * exported, when it starts. Answers the fault, if there is one.
 */
function trustAuthorities({ NODE_EXTRA_CA_CERTS: path }: Environment, exported: Environment): string[] {
  if (!path || exported.NODE_EXTRA_CA_CERTS !== undefined) return [];
  if (typeof tls.setDefaultCACertificates !== 'function') {
    return ['NODE_EXTRA_CA_CERTS must be exported: this Node reads it only when it starts'];
  }
  try {
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(path, 'utf8')]);
    return [];
  } catch (error) {
    return [
      `NODE_EXTRA_CA_CERTS must name a file of certificates in PEM that can be read: ${whyUnreadable(error)}`,
    ];
  }
}
