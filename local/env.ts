import { readEnvironment } from '../host/env-file.ts';
import { type Config, type Environment, loadConfig } from '../lib/config.ts';
import { ConfigError } from '../lib/errors.ts';
import { describeVariable, type VariableName } from '../lib/variables.ts';
import { StartError } from './lifecycle.ts';
import { OWN_UUID, SIMULATED_NETWORK, WORLD_NETWORK, YOU } from './world/cast.ts';
import { sourceUrls, worldPorts } from './world/ports.ts';

/** What `npm start` is going to run. */
export interface Stack {
  /** `demo`: embedded Redis and a simulated world. `own`: the user's Redis and peers. */
  readonly kind: 'demo' | 'own';
  /** What the functions see, validated. */
  readonly config: Config;
  /** The environment of `serverless offline`. */
  readonly env: NodeJS.ProcessEnv;
  readonly ports: LocalPorts;
  /** Where the functions' output goes. */
  readonly logFile: string;
}

export interface LocalPorts {
  /** `serverless offline`'s Lambda endpoint. */
  readonly lambda: number;
  /** The embedded Redis's own port, for redis-cli. Demo only. */
  readonly redis: number;
  /** The Upstash REST face. Demo only. */
  readonly rest: number;
  /** The status page. */
  readonly page: number;
  /** The first of the simulated world's ports. Demo only. */
  readonly world: number;
}

/** The bearer token of the demo's REST face, which listens on loopback only. */
export const DEMO_TOKEN = 'local';

/**
 * Decides between the demo and the user's own Redis: a `.env` in `folder`, or an exported `REDIS_URL` (or
 * `UPSTASH_REDIS_REST_URL`), means *own*. Exported variables win over those of `.env`. An exported `LOCAL_ENV_FILE` names
 * another file; if it is empty, none is read.
 *
 * @throws StartError or ConfigError for a bad port, a file that is not there, or what the functions could not run with.
 */
export function readStack(folder: string, exported: NodeJS.ProcessEnv): Stack {
  const { env: given, file, origin } = readEnvironment(folder, exported);
  const hasFile = file !== undefined;
  const ports = readPorts(given);
  const own = hasFile || Boolean(given.REDIS_URL) || Boolean(given.UPSTASH_REDIS_REST_URL);
  const env = { ...withoutAws(given), ...(own ? {} : demoEnv(ports)), ...localAws(ports.lambda) };
  return {
    kind: own ? 'own' : 'demo',
    config: own ? loadOwnConfig(env, { hasFile, origin }) : loadConfig(env),
    env,
    ports,
    logFile: given.LOCAL_LOG || describeVariable('LOCAL_LOG').fallback,
  };
}

function loadOwnConfig(env: Environment, { hasFile, origin }: { hasFile: boolean; origin: string }): Config {
  try {
    return loadConfig(env, origin);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const given = env.REDIS_URL ? 'REDIS_URL' : 'UPSTASH_REDIS_REST_URL';
    const way = hasFile ? 'move .env away' : `unset ${given}`;
    throw new StartError(
      `${error.message}\n.env.example explains each variable. For the demo without any, ${way}.`,
    );
  }
}

function demoEnv(ports: LocalPorts): NodeJS.ProcessEnv {
  return {
    LOCAL_UUID: OWN_UUID,
    REDIS_URL: `http://127.0.0.1:${ports.rest}`,
    REDIS_TOKEN: DEMO_TOKEN,
    REDIS_PREFIX: '',
    PEER_PORT: String(worldPorts(ports.world).peer),
    PEER_ALLOW_CIDRS: WORLD_NETWORK,
    BIND_ADDRESS: YOU.ip,
    IP_FAMILY: '4',
    IP_SOURCES: sourceUrls(worldPorts(ports.world)).join(','),
    IP_QUORUM: '',
    IP_ALLOW_CIDRS: SIMULATED_NETWORK,
  };
}

/** Credentials, profiles and endpoints of a real account never reach the local functions. */
function withoutAws(env: Environment): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('AWS_')));
}

function localAws(lambdaPort: number): NodeJS.ProcessEnv {
  return {
    AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${lambdaPort}`,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  };
}

function readPorts(env: Environment): LocalPorts {
  const faults: string[] = [];
  const read = (name: VariableName & `LOCAL_${string}_PORT`, max = 65_535) => {
    const text = env[name] || describeVariable(name).fallback;
    if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= max) return Number(text);
    faults.push(`  - ${name} must be a port from 1 to ${max}`);
    return 0;
  };
  const ports = {
    lambda: read('LOCAL_LAMBDA_PORT'),
    redis: read('LOCAL_REDIS_PORT'),
    rest: read('LOCAL_REST_PORT'),
    page: read('LOCAL_PAGE_PORT'),
    world: read('LOCAL_WORLD_PORT', 65_500),
  };
  if (faults.length > 0) throw new StartError(`The local stack cannot use its ports:\n${faults.join('\n')}`);
  return ports;
}
