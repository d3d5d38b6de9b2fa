import * as v from 'valibot';
import { DEFAULT_IP_SOURCES } from './ip/source-spec.ts';
import {
  bindAddress,
  choice,
  cidrs,
  family,
  hints,
  pageAddress,
  peerCidrs,
  pemFile,
  prefix,
  redisUrl,
  restToken,
  secretWord,
  signingKeys,
  sources,
  url,
  uuid,
  whole,
} from './variable-checks.ts';

/** Who reads a variable: the jobs wherever they run, the host process alone, serverless.yml, or the local stack alone. */
export type Reader = 'jobs' | 'host' | 'template' | 'stack';

/** What the table says about a variable beside its name, its default and its check. */
export interface About {
  readonly readBy: Reader;
  /** One line for an operator. Shown in the README, and by an error about a variable that is missing. */
  readonly meaning: string;
}

/** Levels of a host's log, the least important first. */
export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;

/** How a host writes a log line: `text` is for people, `json` (one object a line) for collectors. */
export const LOG_FORMATS = ['text', 'json'] as const;

const readBy =
  (readBy: Reader) =>
  <Schema extends v.GenericSchema>(schema: Schema, meaning: string): Schema & About => ({
    ...schema,
    readBy,
    meaning,
  });
const jobs = readBy('jobs');
const host = readBy('host');

/**
 * The variables that the jobs and the host read, each once: its name, its default as somebody would write it, its check and
 * its meaning. `loadConfig` reads the environment by it. README.md, `.env.example`, serverless.yml and `p2p doctor` are
 * held to it and to `OTHERS` by test/unit/variables.test.ts.
 */
export const CHECKED = {
  LOCAL_UUID: jobs(uuid, "this consumer's UUID, the one that its consumer API uses"),
  REDIS_URL: jobs(
    redisUrl,
    'address of Redis, with `https://` or `http://` (Upstash REST), `redis://` or `rediss://`. If it is not set, `UPSTASH_REDIS_REST_URL` is read',
  ),
  REDIS_TOKEN: jobs(
    v.optional(restToken),
    'REST token, required for a REST URL. If it is not set, `UPSTASH_REDIS_REST_TOKEN` is read',
  ),
  REDIS_TLS_CERT: jobs(
    v.optional(pemFile),
    'file with the client certificate for `rediss://`, in PEM, where the server asks for one',
  ),
  REDIS_TLS_KEY: jobs(v.optional(pemFile), 'file with the private key of that certificate, in PEM'),
  REDIS_PREFIX: jobs(v.optional(prefix, '{p2p}:'), 'prefix of every key; the consumer API uses the same'),
  PEER_PORT: jobs(v.optional(whole(1, 65_535), '80'), 'port of an address that names none'),
  PEER_ALLOW_CIDRS: jobs(
    v.optional(peerCidrs, ''),
    'non-public networks that may be called (tests, private networks)',
  ),
  BIND_ADDRESS: jobs(
    v.optional(bindAddress),
    'local address from which peers and sources are called (two uplinks, temporary IPv6 addresses)',
  ),
  SYNC_INTERVAL_MS: jobs(
    v.optional(whole(1_000, 86_400_000), '300000'),
    "the schedule's period; fits `SYNC_SCHEDULE`",
  ),
  SYNC_CONCURRENCY: jobs(v.optional(whole(1, 900), '256'), 'calls in flight in one invocation'),
  SYNC_TIMEOUT_MS: jobs(v.optional(whole(100, 20_000), '3000'), 'deadline of one call'),
  SYNC_SHARD_ABOVE: jobs(
    v.optional(whole(1, 100_000_000), '100000'),
    'consumers above which a round is split over invocations',
  ),
  SYNC_MAX_SHARDS: jobs(v.optional(whole(1, 100), '5'), 'invocations of one round at most'),
  // At least a call for each of the most shards.
  SYNC_MAX_PROBES_PER_ROUND: jobs(
    v.optional(whole(100, 100_000_000)),
    'calls of one round at most, 100 or more; beyond it consumers take turns. Empty: no limit',
  ),
  IP_FAMILY: jobs(v.optional(family, '4'), "family of the host's address, 4 or 6"),
  IP_SOURCES: jobs(
    v.optional(sources, DEFAULT_IP_SOURCES),
    'comma list of `https://…` and `dns:<hostname>`, or `static:<ip>` alone',
  ),
  IP_QUORUM: jobs(
    v.optional(whole(1, 20)),
    'operators that must agree on a new address. Empty: 2, or 1 if there is only one operator',
  ),
  IP_ALLOW_CIDRS: jobs(v.optional(cidrs, ''), 'non-public networks that our own address may be in'),
  IP_CHECK_INTERVAL_MS: jobs(
    v.optional(whole(1_000, 86_400_000), '60000'),
    "the schedule's period; fits `IP_CHECK_SCHEDULE`",
  ),
  NOTIFY_CONCURRENCY: jobs(v.optional(whole(1, 900), '64'), 'deliveries in flight'),
  // 2 x NOTIFY_TIMEOUT_MS + 25 s must fit producer-notify's time limit of 300 s, with as much again to work in.
  NOTIFY_TIMEOUT_MS: jobs(v.optional(whole(100, 60_000), '5000'), 'deadline of one delivery'),
  SIGNING_KEY: jobs(
    v.optional(signingKeys, ''),
    'signs every request, see [docs/SIGNING.md](docs/SIGNING.md)',
  ),
  SYNC_FUNCTION: jobs(
    v.optional(v.string()),
    'name of the function `sync`, which splits a large round; serverless.yml sets it',
  ),
  PRODUCER_NOTIFY_FUNCTION: jobs(
    v.optional(v.string()),
    'name of the function `producer-notify`, which `ip-check` starts; serverless.yml sets it',
  ),

  IP_HINTS: host(
    v.optional(hints, 'interface,gateway'),
    'what makes it check the address at once: `interface`, `gateway`, both, or `none`',
  ),
  PAGE_PORT: host(
    v.optional(pageAddress),
    'port, or address and port, of the status page: `8090`, `127.0.0.1:8090`, `[::]:8090`. Empty: no page',
  ),
  PAGE_TOKEN: host(
    v.optional(secretWord(8)),
    'bearer token of the status page, at least 8 characters; any address but loopback requires it',
  ),
  HEARTBEAT_URL: host(v.optional(url), "dead man's switch: requested after each check that was recorded"),
  ALERT_URL: host(v.optional(url), 'gets a POST when the verdict or the address changes'),
  LOG_LEVEL: host(
    v.optional(choice(LOG_LEVELS), 'INFO'),
    'least level that is logged: `DEBUG`, `INFO`, `WARN` or `ERROR`',
  ),
  LOG_FORMAT: host(v.optional(choice(LOG_FORMATS), 'text'), 'how it logs: `text` or `json`'),
} as const;

/**
 * The variables that others read: serverless.yml, and the local stack, which checks them itself. Plain data, so that the
 * functions' bundles leave them out.
 */
const OTHERS = {
  SYNC_SCHEDULE: [
    'template',
    'rate(5 minutes)',
    'how often `sync` runs; the same time as `SYNC_INTERVAL_MS`',
  ],
  IP_CHECK_SCHEDULE: [
    'template',
    'rate(1 minute)',
    'how often `ip-check` runs; the same time as `IP_CHECK_INTERVAL_MS`',
  ],
  SCHEDULES: ['template', 'on', '`off` pauses both schedules'],
  ALARMS: ['template', 'on', '`off` leaves out the alarms and the topic that they tell'],
  ALARM_EMAIL: ['template', '', 'address that gets a mail for each alarm'],
  DASHBOARD: ['template', 'on', '`off` leaves out the dashboard and the saved log queries'],
  KMS_KEY_ARN: ['template', '', "KMS key that protects the functions' environment"],
  PERMISSIONS_BOUNDARY_ARN: ['template', '', "permissions boundary of the functions' roles"],
  SYNC_RESERVED_CONCURRENCY: [
    'template',
    '',
    'reserved concurrency of `sync`; a new AWS account has none to spare',
  ],
  SIGNING_MODE: [
    'template',
    'none',
    '`secret` takes `SIGNING_KEY` from the field `signingKey` of the secret',
  ],
  VPC_MODE: [
    'template',
    'none',
    '`private` puts the functions into the subnets and security groups that are named',
  ],
  VPC_SUBNET_IDS: ['template', '', 'comma list of subnets'],
  VPC_SECURITY_GROUP_IDS: ['template', '', 'comma list of security groups'],
  POWERTOOLS_LOG_LEVEL: [
    'template',
    'INFO',
    "least level of the functions' log; a host takes it where `LOG_LEVEL` is not set",
  ],
  POWERTOOLS_METRICS_DISABLED: ['template', '', '`true` switches the metrics off'],
  LOCAL_ENV_FILE: ['stack', '.env', 'another file than `.env`; to be exported. Exported empty: no file'],
  LOCAL_LOG: ['stack', 'local-stack.log', "where the functions' output goes"],
  LOCAL_LAMBDA_PORT: ['stack', '3002', 'port of the local Lambda endpoint'],
  LOCAL_REDIS_PORT: ['stack', '6390', 'port of the embedded Redis'],
  LOCAL_REST_PORT: ['stack', '8079', 'port of its REST API'],
  LOCAL_PAGE_PORT: ['stack', '8090', 'port of the status page'],
  LOCAL_WORLD_PORT: ['stack', '8100', "first port of the simulated world's 25"],
} as const satisfies Readonly<Record<string, readonly [Reader, fallback: string, meaning: string]>>;

export type CheckedName = keyof typeof CHECKED;
export type VariableName = CheckedName | keyof typeof OTHERS;

/** What the table says about one variable. `fallback` is the default as somebody would write it; empty if there is none. */
export function describeVariable(
  name: VariableName,
): About & { readonly required: boolean; readonly fallback: string } {
  if (!isChecked(name)) {
    const [readBy, fallback, meaning] = OTHERS[name];
    return { readBy, fallback, meaning, required: false };
  }
  const schema = CHECKED[name];
  const optional = schema.type === 'optional';
  return {
    readBy: schema.readBy,
    meaning: schema.meaning,
    required: !optional,
    fallback: (optional && schema.default) || '',
  };
}

export function variableNames(): VariableName[] {
  return [...Object.keys(CHECKED), ...Object.keys(OTHERS)].filter(isVariable);
}

export function isVariable(name: string): name is VariableName {
  return isChecked(name) || Object.hasOwn(OTHERS, name);
}

/** Whether it is a variable that `loadConfig` reads. */
export function isChecked(name: string): name is CheckedName {
  return Object.hasOwn(CHECKED, name);
}
