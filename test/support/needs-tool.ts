import { spawnSync } from 'node:child_process';

/**
 * Options for a test that needs a program of this machine: skipped, with the reason, where it is not in PATH. It has to
 * understand `--version`.
 *
 * @throws Error where CI is set: there, a missing tool must not look like a pass.
 */
export function needsTool(program: string, debianPackage = program): { skip?: string } {
  if (spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0) return {};
  if (process.env.CI) throw new Error(`CI needs ${program}: tests must not be skipped there.`);
  return { skip: `NEEDS ${program} in PATH (apt-get install ${debianPackage})` };
}
