import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { ConfigError } from '../lib/errors.ts';

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The exported variables, and under them those of the `.env` in `folder`, if there is one. An exported `LOCAL_ENV_FILE`
 * names another file; exported empty it means none.
 *
 * @throws ConfigError if it names a file that cannot be read.
 */
export function readEnvironment(folder: string, exported: Environment): Environment {
  const named = exported.LOCAL_ENV_FILE;
  if (named === '') return exported;
  const file = resolve(folder, named ?? '.env');
  if (named === undefined && !existsSync(file)) return exported;
  return { ...read(file), ...exported };
}

function read(file: string): Environment {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new ConfigError([`the file ${file} cannot be read (${code}); LOCAL_ENV_FILE names another one`]);
  }
}
