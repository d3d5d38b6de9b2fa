import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * `npm run package`, `deploy` and `remove`: serverless, with what it leaves behind taken away (a folder in the
 * temporary directory) and what it would pick up kept apart (stale files of an earlier build, the build of a running
 * `npm start`). Whatever follows the command goes to serverless as it is.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SERVERLESS = path.join(ROOT, 'node_modules/serverless/bin/serverless.js');

const UNIT_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const DEFAULTS = { SYNC_INTERVAL_MS: 300_000, IP_CHECK_INTERVAL_MS: 60_000 };

const [command = '', ...args] = process.argv.slice(2);
const fault = faultOf(command, args, process.env);
if (fault === undefined) {
  process.exitCode = await run([command, ...args]);
} else {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}

/** What serverless would package or deploy without a word, and must not. */
function faultOf(command: string, args: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  if (!['package', 'deploy', 'remove'].includes(command))
    return 'Usage: aws.ts package|deploy|remove [options]';
  const { values } = parseArgs({
    args: [...args],
    options: { stage: { type: 'string', short: 's' } },
    strict: false,
  });
  if (values.stage === 'local') {
    return 'The stage "local" is for npm start: packaged, it would hold the secrets of this machine. Choose another --stage.';
  }
  if (env.VPC_MODE === 'private' && !(env.VPC_SUBNET_IDS && env.VPC_SECURITY_GROUP_IDS)) {
    return 'VPC_MODE=private needs VPC_SUBNET_IDS and VPC_SECURITY_GROUP_IDS, each a comma list of ids.';
  }
  return (
    scheduleFault('SYNC_SCHEDULE', 'SYNC_INTERVAL_MS', env) ??
    scheduleFault('IP_CHECK_SCHEDULE', 'IP_CHECK_INTERVAL_MS', env)
  );
}

/** Due times and backoff are reckoned by the interval, so a schedule with another period makes them wrong. */
function scheduleFault(
  schedule: string,
  interval: keyof typeof DEFAULTS,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(env[schedule] ?? '');
  if (rate === null) return undefined;
  const periodMs = Number(rate[1]) * UNIT_MS[rate[2] as keyof typeof UNIT_MS];
  if (periodMs === Number(env[interval] || DEFAULTS[interval])) return undefined;
  return `${schedule}=${env[schedule]} needs ${interval}=${periodMs}.`;
}

async function run(args: readonly string[]): Promise<number> {
  const temp = await mkdtemp(path.join(tmpdir(), 'p2p-serverless-'));
  const buildFolder = path.join('.esbuild', `aws-${process.pid}`);
  try {
    const child = spawn(process.execPath, [SERVERLESS, ...args], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: temp, ESBUILD_FOLDER: buildFolder },
      stdio: 'inherit',
    });
    // A signal is the child's to act on: CloudFormation goes on without it, what it wrote here is removed below.
    const forward = (signal: NodeJS.Signals) => child.kill(signal);
    process.on('SIGTERM', forward);
    process.on('SIGINT', () => {});
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    await rm(temp, { recursive: true, force: true });
    await rm(path.join(ROOT, buildFolder), { recursive: true, force: true });
  }
}
