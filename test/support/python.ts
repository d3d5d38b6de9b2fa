import { spawnSync } from 'node:child_process';

/**
 * Options for a test that needs python3: skipped, with the reason, where there is none.
 *
 * @throws Error where CI is set: there, a missing python3 must not look like a pass.
 */
export function needsPython(): { skip?: string } {
  if (spawnSync('python3', ['--version'], { stdio: 'ignore' }).status === 0) return {};
  if (process.env.CI) throw new Error('CI needs python3 in PATH: tests must not be skipped there.');
  return { skip: 'NEEDS python3 in PATH (apt-get install python3)' };
}
