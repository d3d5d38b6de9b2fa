import { existsSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './processes.ts';

/** Python packages of test/cloud/requirements.txt, in a virtual environment that `.ci/run` makes. */
const BIN = path.join(ROOT, '.venv/bin');

/**
 * Options for a test that needs moto, cfn-lint or AWS's command line: skipped, with the reason, where there is no virtual
 * environment.
 *
 * @throws Error where CI is set: there, a missing environment must not look like a pass.
 */
export function needsAwsTools(): { skip?: string } {
  if (existsSync(path.join(BIN, 'moto_server'))) return {};
  if (process.env.CI)
    throw new Error('CI needs .venv with test/cloud/requirements.txt: tests must not be skipped there.');
  return {
    skip: 'NEEDS .venv (python3 -m venv .venv && .venv/bin/pip install -r test/cloud/requirements.txt)',
  };
}

/** The path of a program of that environment, or of the folder that they are in. */
export function awsTool(name = ''): string {
  return path.join(BIN, name);
}
