import { spawnSync } from 'node:child_process';

/**
 * Options for a test that needs Prometheus's `promtool`: skipped, with the reason, where there is none.
 *
 * @throws Error where CI is set: there, a missing tool must not look like a pass.
 */
export function needsPromtool(): { skip?: string } {
  if (spawnSync('promtool', ['--version'], { stdio: 'ignore' }).status === 0) return {};
  if (process.env.CI) throw new Error('CI needs promtool: tests must not be skipped there.');
  return { skip: 'NEEDS promtool in PATH (apt-get install prometheus)' };
}
