import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { bundleFunctions, FUNCTIONS } from '../bundle.ts';
import { startIpSource } from '../http-servers.ts';
import type { Lab } from '../lab.ts';
import { comparison, type Run, reading } from '../measure.ts';
import { COLD_START, IP_CHECK } from '../modules.ts';
import type { Row } from '../row.ts';
import { LOCAL_UUID } from '../world.ts';
import { worldOf } from './setup.ts';

const REPETITIONS = 5;
const MAX_KB = 220;

export const coldStart: Row = {
  name: 'cold-start',
  title:
    'what a quiet run of each function loads from its bundle, and how long that takes against the start of Node',
  targets: `at most ${MAX_KB} KB minified a function; neither SDK nor ioredis loaded`,
  long: false,
  limitMs: 60_000,
  async run(lab) {
    const bundles = await bundleFunctions();
    lab.defer(bundles.end);
    const env = await openQuietWorld(lab);
    const figures = [];
    for (const name of FUNCTIONS) {
      lab.say(`${name}: ${REPETITIONS} fresh processes`);
      const runs: Run[] = [];
      const bareStarts: number[] = [];
      for (let repetition = 0; repetition < REPETITIONS; repetition++) {
        bareStarts.push(await startOfNode());
        const fresh = await lab.contestant(COLD_START, { file: bundles.fileOf(name), env });
        runs.push(await fresh.run());
        await fresh.end();
      }
      const fact = (key: string) => runs.map(({ facts }) => facts[key] ?? Number.NaN);
      figures.push(
        reading(
          `${name}: loaded by a quiet run`,
          'KB',
          fact('bytes').map((bytes) => bytes / 1_024),
          { atMost: MAX_KB },
        ),
        reading(`${name}: files of the SDK or ioredis`, '', fact('heavy'), { atMost: 0 }),
        comparison(`${name}: import / start of Node`, 'share', fact('importMs'), bareStarts),
        reading(`${name}: import`, 'ms', fact('importMs')),
      );
    }
    return {
      kind: 'measured',
      figures,
      notes: [
        `median of ${REPETITIONS} fresh processes; 1 KB is 1,024 bytes; bundled with the settings of serverless.yml`,
        'quiet: a round over no consumers, an IP check that finds nothing new, nothing due, all over REST',
      ],
    };
  },
};

/** A Redis in which our IP is settled and nothing is due. Answers what tells the functions about it. */
async function openQuietWorld(lab: Lab): Promise<Record<string, string>> {
  const peers = await lab.peers();
  const redis = await lab.redis();
  const sources = await Promise.all([startIpSource('203.0.113.7'), startIpSource('203.0.113.7')]);
  for (const source of sources) lab.defer(source.end);
  const { env } = worldOf('cold-start', redis, peers).params({
    REDIS_URL: redis.rest.url,
    REDIS_TOKEN: redis.rest.token,
    IP_SOURCES: sources.map(({ url }) => url).join(','),
  });
  const settling = await lab.contestant(IP_CHECK, { env });
  await settling.end();
  return {
    ...env,
    LOCAL_UUID,
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_SERVICE_NAME: 'bench',
  };
}

async function startOfNode(): Promise<number> {
  const startedAt = performance.now();
  await promisify(execFile)(process.execPath, ['--eval', '0']);
  return performance.now() - startedAt;
}
