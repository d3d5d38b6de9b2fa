import * as v from 'valibot';
import { ConfigError } from './errors.ts';
import type { SourceSpec } from './ip/source-spec.ts';
import { parseOwnIp } from './peers/ip-space.ts';
import { type SettingNames, withNames } from './redis/url.ts';
import { strayPart } from './variable-checks.ts';
import { CHECKED, type CheckedName, isChecked, LOG_LEVELS } from './variables.ts';

/** The validated configuration. Names follow the variables; times are milliseconds. */
export type Config = ReturnType<typeof loadConfig>;

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads and validates the whole configuration, once. The only place in `lib/` that sees the environment. An empty
 * variable counts as unset.
 *
 * @param origin where the variables are from, for the error: files with how many variables each gave.
 * @throws ConfigError naming every bad variable and what was expected of it; no value of a secret is in it.
 */
export function loadConfig(env: Environment = process.env, origin?: string) {
  const given = withFallbacks(env);
  const stray = Object.entries(given).flatMap(([name, value]) => {
    const fault = isChecked(name) ? strayPart(value) : undefined;
    return fault === undefined ? [] : [{ name, fault: `${name} ${fault}` }];
  });
  const parsed = v.safeParse(SCHEMA, given);
  const faults = [
    ...stray.map(({ fault }) => fault),
    ...(parsed.issues ?? [])
      .filter((issue) => stray.every(({ name }) => name !== v.getDotPath(issue)))
      .map(faultOf),
  ];
  const names = redisNames(env);
  if (!parsed.success || faults.length > 0) {
    throw new ConfigError(
      faults.map((fault) => withNames(fault, names)),
      origin,
    );
  }
  const c = parsed.output;
  return {
    localUuid: c.LOCAL_UUID,
    redis: {
      url: c.REDIS_URL,
      token: c.REDIS_TOKEN,
      names,
      prefix: c.REDIS_PREFIX,
      /** What we show to a server that asks for a client certificate; both in PEM. */
      clientCertificate: pair(c.REDIS_TLS_CERT, c.REDIS_TLS_KEY),
    },
    peers: {
      port: c.PEER_PORT,
      allowCidrs: c.PEER_ALLOW_CIDRS,
      runtimeApi: env.AWS_LAMBDA_RUNTIME_API,
      /** The local address from which peers and sources of its family are called; undefined leaves it to the system. */
      bindAddress: c.BIND_ADDRESS,
    },
    signing: { keys: c.SIGNING_KEY },
    sync: {
      intervalMs: c.SYNC_INTERVAL_MS,
      concurrency: c.SYNC_CONCURRENCY,
      timeoutMs: c.SYNC_TIMEOUT_MS,
      shardAbove: c.SYNC_SHARD_ABOVE,
      maxShards: c.SYNC_MAX_SHARDS,
      /** Infinity if there is no limit. */
      maxProbes: c.SYNC_MAX_PROBES_PER_ROUND ?? Number.POSITIVE_INFINITY,
      functionName: c.SYNC_FUNCTION,
    },
    ip: {
      family: c.IP_FAMILY,
      sources: c.IP_SOURCES,
      quorum: c.IP_QUORUM ?? Math.min(2, operatorCount(c.IP_SOURCES)),
      allowCidrs: c.IP_ALLOW_CIDRS,
      intervalMs: c.IP_CHECK_INTERVAL_MS,
    },
    notify: {
      concurrency: c.NOTIFY_CONCURRENCY,
      timeoutMs: c.NOTIFY_TIMEOUT_MS,
      functionName: c.PRODUCER_NOTIFY_FUNCTION,
    },
    /** What the host process alone uses. */
    host: {
      hints: c.IP_HINTS,
      page: c.PAGE_PORT === undefined ? undefined : { ...c.PAGE_PORT, token: c.PAGE_TOKEN },
      heartbeatUrl: c.HEARTBEAT_URL,
      alertUrl: c.ALERT_URL,
      log: { level: c.LOG_LEVEL, format: c.LOG_FORMAT },
    },
  } as const;
}

/**
 * How the functions log and count. It is read apart from the rest, so that a faulty configuration can be logged. Names
 * and values are those of Powertools for AWS Lambda (https://docs.aws.amazon.com/powertools/typescript/latest/environment-variables/).
 */
export function readObservability(env: Environment = process.env) {
  const { POWERTOOLS_METRICS_NAMESPACE: namespace, POWERTOOLS_SERVICE_NAME: service } = env;
  const counts = namespace && service && env.POWERTOOLS_METRICS_DISABLED !== 'true';
  return {
    level: levelOf(env.POWERTOOLS_LOG_LEVEL) ?? 'INFO',
    /** Where the metrics belong; undefined where there are to be none. */
    metrics: counts ? { namespace, service } : undefined,
  };
}

/** What an operator exported empty is not set. Upstash's own names and the functions' log level count where ours are not set. */
function withFallbacks(env: Environment): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value) given[name] = value;
  const fall = (name: CheckedName, other: string) => {
    const value = given[name] ?? given[other];
    if (value !== undefined) given[name] = value;
  };
  fall('REDIS_URL', 'UPSTASH_REDIS_REST_URL');
  fall('REDIS_TOKEN', 'UPSTASH_REDIS_REST_TOKEN');
  // Powertools knows more levels than ours (SILENT, CRITICAL).
  if (levelOf(given.POWERTOOLS_LOG_LEVEL) !== undefined) fall('LOG_LEVEL', 'POWERTOOLS_LOG_LEVEL');
  return given;
}

/** Under which names the operator gave URL and token of Redis; of what is missing, the name that goes with the other. */
function redisNames(env: Environment): SettingNames {
  const url = !env.REDIS_URL && env.UPSTASH_REDIS_REST_URL;
  const token = !env.REDIS_TOKEN && (env.UPSTASH_REDIS_REST_TOKEN || url);
  return {
    url: url ? 'UPSTASH_REDIS_REST_URL' : 'REDIS_URL',
    token: token ? 'UPSTASH_REDIS_REST_TOKEN' : 'REDIS_TOKEN',
  };
}

function levelOf(text = '') {
  return LOG_LEVELS.find((level) => level === text.toUpperCase());
}

const SCHEMA = v.pipe(
  v.object(CHECKED),
  v.forward(
    v.partialCheck(
      [['REDIS_URL'], ['REDIS_TOKEN']],
      ({ REDIS_URL, REDIS_TOKEN }) => !/^http/i.test(REDIS_URL) || REDIS_TOKEN !== undefined,
      'is required for a REST REDIS_URL',
    ),
    ['REDIS_TOKEN'],
  ),
  v.forward(
    v.partialCheck(
      [['REDIS_URL'], ['REDIS_TLS_CERT'], ['REDIS_TLS_KEY']],
      ({ REDIS_URL, REDIS_TLS_CERT, REDIS_TLS_KEY }) =>
        REDIS_TLS_CERT === undefined
          ? REDIS_TLS_KEY === undefined
          : REDIS_TLS_KEY !== undefined && /^rediss:/i.test(REDIS_URL),
      'and REDIS_TLS_KEY go together, and with a rediss:// REDIS_URL only',
    ),
    ['REDIS_TLS_CERT'],
  ),
  v.forward(
    v.partialCheck(
      [['IP_SOURCES'], ['IP_QUORUM']],
      ({ IP_SOURCES, IP_QUORUM }) => IP_QUORUM === undefined || IP_QUORUM <= operatorCount(IP_SOURCES),
      'must not exceed the number of operators in IP_SOURCES',
    ),
    ['IP_QUORUM'],
  ),
  v.forward(
    v.partialCheck(
      [['IP_SOURCES'], ['IP_FAMILY'], ['IP_ALLOW_CIDRS']],
      ({ IP_SOURCES, IP_FAMILY, IP_ALLOW_CIDRS }) =>
        IP_SOURCES.every(
          (source) =>
            source.kind !== 'static' ||
            'ip' in parseOwnIp(source.ip, { family: IP_FAMILY, allow: IP_ALLOW_CIDRS }),
        ),
      'must name a static:<ip> of IP_FAMILY that is public or in IP_ALLOW_CIDRS',
    ),
    ['IP_SOURCES'],
  ),
  v.forward(
    v.partialCheck(
      [['PAGE_PORT'], ['PAGE_TOKEN']],
      ({ PAGE_PORT, PAGE_TOKEN }) =>
        PAGE_PORT === undefined || PAGE_PORT.loopback || PAGE_TOKEN !== undefined,
      'is required where PAGE_PORT has another address than loopback',
    ),
    ['PAGE_TOKEN'],
  ),
);

function pair(cert: string | undefined, key: string | undefined) {
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

function operatorCount(specs: readonly SourceSpec[]): number {
  return new Set(specs.map(({ operator }) => operator)).size;
}

function faultOf(issue: v.BaseIssue<unknown>): string {
  const name = v.getDotPath(issue) ?? '';
  if (issue.kind !== 'schema' || issue.input !== undefined) return `${name} ${issue.message}`;
  return `${name} is required${isChecked(name) ? `: ${CHECKED[name].meaning.replaceAll('`', '')}` : ''}`;
}
