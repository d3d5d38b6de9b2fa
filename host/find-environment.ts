import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../lib/config.ts';
import { ConfigError } from '../lib/errors.ts';
import { type GivenEnvironment, readEnvironment } from './env-file.ts';

/** What `npm start` leaves in the project's folder while it runs its demo, so that commands find it. Git ignores it. */
export const STACK_NOTE = '.local-stack.env';

/** Where an installed host has its settings: `EnvironmentFile` of host/p2p-scheduler.service. */
export const INSTALLED_ENV_FILE = '/etc/p2p-scheduler.env';

/**
 * The environment of an operator's command. Exported variables and a `.env` in `folder` count as everywhere. Where there is
 * neither, the command is about the demo of `npm start` that runs in `folder`, or else about the host that is installed on
 * this machine.
 *
 * @throws ConfigError if a file cannot be read; for the installed host it says who may.
 */
export function findEnvironment(
  folder: string,
  exported: Environment,
  installed = INSTALLED_ENV_FILE,
): GivenEnvironment {
  const named = exported.LOCAL_ENV_FILE !== undefined;
  const configured = exported.LOCAL_UUID || exported.REDIS_URL || exported.UPSTASH_REDIS_REST_URL;
  if (named || configured || existsSync(join(folder, '.env'))) return readEnvironment(folder, exported);
  const note = join(folder, STACK_NOTE);
  if (isOfRunningStack(note)) return readEnvironment(folder, { ...exported, LOCAL_ENV_FILE: note });
  if (!existsSync(installed)) {
    const origin = `the exported variables (there is no ${join(folder, '.env')}, no demo of npm start that runs in this folder, and no ${installed})`;
    return { ...readEnvironment(folder, exported), origin };
  }
  if (!isReadable(installed)) {
    throw new ConfigError([
      `${installed} has the settings of the installed host, and only root may read it: run the command with sudo`,
    ]);
  }
  return readEnvironment(folder, { ...exported, LOCAL_ENV_FILE: installed });
}

/** The first line of a note: which process it is of. */
export function noteHead(pid: number): string {
  return `# npm start, process ${pid}`;
}

/** A stack that was killed leaves its note behind. */
function isOfRunningStack(note: string): boolean {
  try {
    const [, pid] = /^# npm start, process (\d{1,10})$/m.exec(readFileSync(note, 'utf8')) ?? [];
    if (pid === undefined) return false;
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
