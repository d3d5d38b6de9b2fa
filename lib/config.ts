import * as v from 'valibot';
import { ConfigError } from './errors.ts';
import { parseSource, type SourceSpec } from './ip/source-spec.ts';
import { type Cidr, parseCidr } from './peers/ip-space.ts';
import { parseSigningKey, type SigningKey } from './peers/signing.ts';
import { parseUuid } from './peers/uuid.ts';

/** The validated configuration. Names follow the variables; times are milliseconds. */
export type Config = ReturnType<typeof loadConfig>;

/**
 * Echo services of five operators: two must agree, so that some may fail and one may lie. Each answers in the family in
 * which it is dialled (checkip.amazonaws.com and api.ipify.org have IPv4 only), as plain text, without a key.
 *
 * - checkip.global.api.aws: AWS's dual-stack endpoint. No published promise, like all of these.
 * - api64.ipify.org: ipify over both families; no limit by its own word; slow at times.
 * - icanhazip.com: run by Cloudflare since 2021; ends its answer with a line feed.
 * - ident.me: small and independent; a spare stands at tnedi.me.
 * - wtfismyip.com: independent; only `/text` is plain. Not meant for more than about a question a minute.
 *
 * seeip.org, which other lists have, was left out: its certificate and its back end failed for days in 2024.
 */
export const DEFAULT_IP_SOURCES = [
  'https://checkip.global.api.aws',
  'https://api64.ipify.org',
  'https://icanhazip.com',
  'https://ident.me',
  'https://wtfismyip.com/text',
].join(',');

/**
 * Reads and validates the whole configuration, once. The only place in `lib/` that sees the environment.
 *
 * @throws ConfigError naming every bad variable and what was expected of it; no value of a secret is in it.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>> = process.env) {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = v.safeParse(SCHEMA, {
    ...given,
    REDIS_URL: given.REDIS_URL ?? given.UPSTASH_REDIS_REST_URL,
    REDIS_TOKEN: given.REDIS_TOKEN ?? given.UPSTASH_REDIS_REST_TOKEN,
  });
  if (!parsed.success) throw new ConfigError(parsed.issues.map(faultOf));
  const c = parsed.output;
  return {
    localUuid: c.LOCAL_UUID,
    redis: { url: c.REDIS_URL, token: c.REDIS_TOKEN, prefix: c.REDIS_PREFIX },
    peers: { port: c.PEER_PORT, allowCidrs: c.PEER_ALLOW_CIDRS, runtimeApi: c.AWS_LAMBDA_RUNTIME_API },
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
      quorum: c.IP_QUORUM ?? defaultQuorum(c.IP_SOURCES),
      allowCidrs: c.IP_ALLOW_CIDRS,
      intervalMs: c.IP_CHECK_INTERVAL_MS,
    },
    notify: {
      concurrency: c.NOTIFY_CONCURRENCY,
      timeoutMs: c.NOTIFY_TIMEOUT_MS,
      functionName: c.PRODUCER_NOTIFY_FUNCTION,
    },
  } as const;
}

const whole = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.check(
      (text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max,
      `must be a whole number from ${min} to ${max}`,
    ),
    v.transform(Number),
  );

const list = (text: string) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

const cidrs = v.optional(
  v.pipe(
    v.string(),
    v.rawTransform<string, readonly Cidr[]>(({ dataset, addIssue }) =>
      list(dataset.value).flatMap((entry) => {
        const range = parseCidr(entry);
        if (range === undefined)
          addIssue({ message: `must be a comma list of networks like 10.0.0.0/8; "${entry}" is none` });
        return range === undefined ? [] : [range];
      }),
    ),
  ),
  '',
);

/** Two keys are for a rotation: peers accept either until they all know the new one. */
const MOST_SIGNING_KEYS = 2;

const signingKeys = v.pipe(
  v.string(),
  v.rawTransform<string, readonly SigningKey[]>(({ dataset, addIssue }) => {
    const entries = list(dataset.value);
    const keys = entries.map(parseSigningKey).filter((key) => key !== undefined);
    if (keys.length !== entries.length || entries.length > MOST_SIGNING_KEYS) {
      addIssue({
        message: 'must be one key like whsk_… (npm run keygen makes it), or two with a comma between',
      });
    }
    return keys;
  }),
);

const sources = v.pipe(
  v.string(),
  v.rawTransform<string, readonly SourceSpec[]>(({ dataset, addIssue }) => {
    const specs = list(dataset.value).flatMap((entry) => {
      const source = parseSource(entry);
      if (!('fault' in source)) return [source];
      addIssue({
        message: `must be a comma list of https://…, dns:<hostname>, or static:<ip> alone; ${source.fault}`,
      });
      return [];
    });
    if (list(dataset.value).length === 0) addIssue({ message: 'must name at least one source' });
    if (specs.length > 1 && specs.some(({ kind }) => kind === 'static')) {
      addIssue({ message: 'must name static:<ip> alone, without other sources' });
    }
    return specs;
  }),
);

const SCHEMA = v.pipe(
  v.object({
    LOCAL_UUID: v.pipe(
      v.string(),
      v.rawTransform(({ dataset, addIssue, NEVER }) => {
        const uuid = parseUuid(dataset.value);
        if (uuid !== undefined) return uuid;
        addIssue({ message: 'must be a UUID like 1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b' });
        return NEVER;
      }),
    ),
    REDIS_URL: v.pipe(
      v.string(),
      v.check(
        (text) => URL.canParse(text) && /^(https?|rediss?):$/.test(new URL(text).protocol),
        'must be a URL that starts with https://, http://, rediss:// or redis://',
      ),
    ),
    REDIS_TOKEN: v.optional(v.string()),
    REDIS_PREFIX: v.optional(
      v.pipe(
        v.string(),
        v.check(
          (text) => text.length <= 100 && /^[\x21-\x7e]+$/.test(text),
          'must be 1 to 100 printable ASCII characters',
        ),
      ),
      '{p2p}:',
    ),
    PEER_PORT: v.optional(whole(1, 65_535), '80'),
    PEER_ALLOW_CIDRS: cidrs,
    AWS_LAMBDA_RUNTIME_API: v.optional(v.string()),
    SIGNING_KEY: v.optional(signingKeys, ''),
    SYNC_INTERVAL_MS: v.optional(whole(1_000, 86_400_000), '300000'),
    SYNC_CONCURRENCY: v.optional(whole(1, 900), '256'),
    SYNC_TIMEOUT_MS: v.optional(whole(100, 20_000), '3000'),
    SYNC_SHARD_ABOVE: v.optional(whole(1, 100_000_000), '100000'),
    SYNC_MAX_SHARDS: v.optional(whole(1, 100), '5'),
    // At least a call for each of the most shards.
    SYNC_MAX_PROBES_PER_ROUND: v.optional(whole(100, 100_000_000)),
    SYNC_FUNCTION: v.optional(v.string()),
    IP_FAMILY: v.optional(
      v.pipe(
        v.picklist(['4', '6'], 'must be 4 or 6'),
        v.transform((text) => (text === '6' ? 6 : 4) as 4 | 6),
      ),
      '4',
    ),
    IP_SOURCES: v.optional(sources, DEFAULT_IP_SOURCES),
    IP_QUORUM: v.optional(whole(1, 20)),
    IP_ALLOW_CIDRS: cidrs,
    IP_CHECK_INTERVAL_MS: v.optional(whole(1_000, 86_400_000), '60000'),
    NOTIFY_CONCURRENCY: v.optional(whole(1, 900), '64'),
    // 2 x NOTIFY_TIMEOUT_MS + 25 s must fit producer-notify's time limit of 300 s, with as much again to work in.
    NOTIFY_TIMEOUT_MS: v.optional(whole(100, 60_000), '5000'),
    PRODUCER_NOTIFY_FUNCTION: v.optional(v.string()),
  }),
  v.forward(
    v.partialCheck(
      [['REDIS_URL'], ['REDIS_TOKEN']],
      ({ REDIS_URL, REDIS_TOKEN }) => !REDIS_URL.startsWith('http') || REDIS_TOKEN !== undefined,
      'is required for a REST REDIS_URL',
    ),
    ['REDIS_TOKEN'],
  ),
  v.forward(
    v.partialCheck(
      [['IP_SOURCES'], ['IP_QUORUM']],
      ({ IP_SOURCES, IP_QUORUM }) => IP_QUORUM === undefined || IP_QUORUM <= operatorCount(IP_SOURCES),
      'must not exceed the number of operators in IP_SOURCES',
    ),
    ['IP_QUORUM'],
  ),
);

function operatorCount(specs: readonly SourceSpec[]): number {
  return new Set(specs.map(({ operator }) => operator)).size;
}

function defaultQuorum(specs: readonly SourceSpec[]): number {
  return Math.min(2, operatorCount(specs));
}

function faultOf(issue: v.BaseIssue<unknown>): string {
  const name = v.getDotPath(issue);
  const missing = issue.kind === 'schema' && issue.input === undefined;
  return `${name} ${missing ? 'is required' : issue.message}`;
}
