// npm run engines: the suites that depend on Redis, on every engine that docs/REDIS.md names beside Debian's.
// Exit code 1 if a suite fails, or if an engine cannot be had where CI is set; elsewhere it is left out with a warning.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { ENGINES, install } from './engines.ts';

/** Conformance and states of the server, the rights of the user, the stores, and the three jobs. */
const SUITES = [
  'test/integration/redis/{conformance,recovery,acl,lua,lease}.test.ts',
  'test/integration/store/*.test.ts',
  'test/integration/ip/{check,commit}.test.ts',
  'test/integration/sync/round.test.ts',
  'test/integration/notify/notify.test.ts',
];

const files = SUITES.flatMap((pattern) => {
  const found = globSync(pattern);
  if (found.length === 0) throw new Error(`no suite matches ${pattern}`);
  return found;
});

for (const engine of ENGINES) {
  let server: string;
  try {
    server = install(engine);
  } catch (error) {
    console.error(
      `NEEDS ${engine.from} for ${engine.title}: ${error instanceof Error ? error.message : error}`,
    );
    if (process.env.CI) process.exitCode = 1;
    continue;
  }
  const { stdout: version } = spawnSync(server, ['--version'], { encoding: 'utf8' });
  console.log(`${engine.title}: ${version.trim()}`);
  const { status } = spawnSync(
    process.execPath,
    ['--test', '--test-concurrency=2', '--test-reporter=dot', ...files],
    { stdio: 'inherit', env: { ...process.env, TEST_REDIS_SERVER: server } },
  );
  if (status !== 0) process.exitCode = 1;
}
