import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Config, loadConfig } from '../../../lib/config.ts';
import { ConfigError, EventError } from '../../../lib/errors.ts';
import { createScrub, secretsOf } from '../../../lib/log.ts';
import { parseNotifyEvent } from '../../../lib/notify/event.ts';
import { parseOwnIp } from '../../../lib/peers/ip-space.ts';
import { createKeyPair } from '../../../lib/peers/signing.ts';
import { createRedis } from '../../../lib/redis/client.ts';
import { parseSyncEvent } from '../../../lib/sync/shard.ts';
import { addressText, anyText, changed, damaged, nasty, nearly, time } from '../../support/arbitraries.ts';
import { NOT_PUBLIC } from '../../support/special-purpose.ts';
import { target } from '../target.ts';

/** Stands in values; no message may repeat it. */
const PLANTED = 'hunter2-planted';
const { secretKey } = createKeyPair();

/** Runs a reader that may refuse with `Refusal` and with nothing else, whose message repeats no value. */
function attempt<T>(read: () => T, Refusal: typeof ConfigError | typeof EventError): T | undefined {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof Refusal, `it threw ${error}`);
    assert.ok(!error.message.includes(PLANTED) && !error.message.includes(secretKey), error.message);
    return undefined;
  }
}

const payload = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof({ weight: 9, arbitrary: nearly(fields) }, { weight: 1, arbitrary: nasty });

const EVENTS = [
  target(
    'sync-event',
    payload({
      round: fc.oneof(fc.uuid(), anyText, fc.constant(PLANTED)),
      at: fc.oneof(time, fc.constant(PLANTED)),
      shard: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: -1, max: 120 })),
      of: fc.oneof(fc.integer({ min: 3, max: 5 }), fc.integer({ min: 0, max: 120 })),
      depth: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 2 })),
    }),
    (event) => {
      const parsed = attempt(() => parseSyncEvent(event), EventError);
      if (parsed?.kind !== 'shard') return false;
      const { kind, round, at, shard, of, depth, ...rest } = parsed;
      assert.deepEqual(rest, {});
      assert.ok(/^[\x21-\x7e]{1,128}$/.test(round) && Number.isSafeInteger(at) && at >= 0);
      assert.ok(Number.isInteger(shard) && shard >= 1 && shard < of && of <= 100 && depth === 1);
      const sent = JSON.stringify({ round, at, shard, of, depth });
      assert.equal(JSON.stringify(parseSyncEvent(JSON.parse(sent))), JSON.stringify(parsed));
      return true;
    },
  ),

  target(
    'notify-event',
    payload({
      ip: fc.oneof(addressText, fc.constant(PLANTED)),
      epoch: fc.oneof(time, fc.constant(PLANTED)),
      id: fc.oneof(fc.uuid(), anyText),
    }).map((event) =>
      // An operator's word has no epoch.
      typeof event === 'object' && event !== null && 'id' in event && 'ip' in event
        ? { ip: event.ip, id: event.id }
        : event,
    ),
    (event) => {
      const rules = { family: 4 as const, allowCidrs: [] };
      const parsed = attempt(() => parseNotifyEvent(event, rules), EventError);
      if (parsed?.kind !== 'word') return false;
      assert.deepEqual(parseOwnIp(parsed.ip, { family: 4, allow: [] }), { ip: parsed.ip });
      assert.ok(!NOT_PUBLIC.has(parsed.ip));
      assert.ok(parsed.id === undefined || (parsed.id.length >= 1 && parsed.id.length <= 200));
      const { kind, ...sent } = parsed;
      assert.deepEqual(parseNotifyEvent(JSON.parse(JSON.stringify(sent)), rules), parsed);
      return true;
    },
  ),
];

/** Mostly one of these, now and then something else. */
const often = (good: fc.Arbitrary<string>, bad: fc.Arbitrary<string> = anyText) =>
  fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: bad });
const joined = (parts: fc.Arbitrary<string>, minLength: number) =>
  fc.array(parts, { minLength, maxLength: 3 }).map(String);

const whole = (...good: string[]) =>
  often(
    fc.constantFrom(...good),
    fc.oneof(
      fc.integer({ min: -1 }).map(String),
      fc.constantFrom('080', '1e3', '1.5', ' 5', '9'.repeat(20), '٣'),
    ),
  );
const cidrs = joined(
  often(
    fc.constantFrom('10.0.0.0/8', '0.0.0.0/0', '::/0', 'fd00::/8', ' 127.0.0.1/32 '),
    fc.tuple(addressText, fc.nat(140)).map((parts) => parts.join('/')),
  ),
  0,
);
const sources = joined(
  often(
    fc.constantFrom('https://ident.me', 'https://a.example/x', 'http://127.0.0.1:1', 'dns:a.example'),
    fc.oneof(
      addressText.map((ip) => `static:${ip}`),
      fc.constant(`https://u:${PLANTED}@a.example`),
      changed(fc.constantFrom('http://127.0.0.1:1', 'dns:a.example', 'https://ident.me')),
      anyText,
    ),
  ),
  1,
);
const redisUrl = fc.constantFrom(
  'https://a.example',
  'redis://127.0.0.1',
  `rediss://u:${PLANTED}@a.example:6380/3`,
  `redis://:${PLANTED}%@a.example`,
  `http://u:${PLANTED}@[::1]:1/?x=${PLANTED}`,
);

const environment = fc.record(
  {
    LOCAL_UUID: often(fc.uuid(), damaged(fc.uuid())),
    REDIS_URL: often(
      redisUrl,
      fc.oneof(changed(redisUrl).map(unplanted), fc.constant(`ftp://u:${PLANTED}@a.example`)),
    ),
    REDIS_TOKEN: fc.constantFrom(PLANTED, `${PLANTED}\n`, ''),
    REDIS_PREFIX: often(fc.constantFrom('{p2p}:', '')),
    SIGNING_KEY: often(
      fc.constantFrom(secretKey, `${secretKey},${secretKey}`),
      fc.constant(`whsk_${PLANTED}`),
    ),
    PEER_PORT: whole('1', '80', '65535'),
    PEER_ALLOW_CIDRS: cidrs,
    AWS_LAMBDA_RUNTIME_API: fc.oneof(addressText, anyText),
    SYNC_INTERVAL_MS: whole('1000', '86400000'),
    SYNC_CONCURRENCY: whole('1', '900'),
    SYNC_TIMEOUT_MS: whole('100', '20000'),
    SYNC_SHARD_ABOVE: whole('1', '100000000'),
    SYNC_MAX_SHARDS: whole('1', '100'),
    SYNC_MAX_PROBES_PER_ROUND: whole('100', '100000000'),
    IP_FAMILY: whole('4', '6', ''),
    IP_SOURCES: sources,
    IP_QUORUM: whole('1', '2'),
    IP_ALLOW_CIDRS: cidrs,
    IP_CHECK_INTERVAL_MS: whole('1000', '86400000'),
    NOTIFY_CONCURRENCY: whole('1', '900'),
    NOTIFY_TIMEOUT_MS: whole('100', '60000'),
  },
  { requiredKeys: ['LOCAL_UUID', 'REDIS_URL'] },
);

/** A change may cut the planted word in two, and then part of it is allowed to be a host's name. */
function unplanted(url: string): string {
  return url.replaceAll(PLANTED, 'x');
}

/** The bounds that README and docs give. */
function assertBounds({ peers, sync, ip, notify, signing, redis }: Config): void {
  const within = (value: number, min: number, max: number) =>
    assert.ok(Number.isInteger(value) && value >= min && value <= max, `${value} is in ${min}-${max}`);
  within(peers.port, 1, 65_535);
  within(sync.intervalMs, 1_000, 86_400_000);
  within(sync.concurrency, 1, 900);
  within(sync.timeoutMs, 100, 20_000);
  within(sync.shardAbove, 1, 100_000_000);
  within(sync.maxShards, 1, 100);
  within(ip.intervalMs, 1_000, 86_400_000);
  within(ip.sources.length, 1, 100);
  within(ip.quorum, 1, new Set(ip.sources.map(({ operator }) => operator)).size);
  within(notify.concurrency, 1, 900);
  within(notify.timeoutMs, 100, 60_000);
  within(signing.keys.length, 0, 2);
  assert.match(redis.prefix, /^[\x21-\x7e]{1,100}$/);
  for (const source of ip.sources) {
    if (source.kind !== 'http') continue;
    assert.ok(source.url.protocol === 'https:' || /^(127\.|localhost$|\[::1\]$)/.test(source.url.hostname));
    assert.equal(source.url.username + source.url.password, '');
  }
}

const CONFIG = target(
  'config',
  fc.oneof({ weight: 9, arbitrary: environment }, fc.dictionary(anyText, anyText)),
  (env) => {
    const config = attempt(() => loadConfig(env), ConfigError);
    if (config === undefined) return false;
    assertBounds(config);
    const scrub = createScrub(secretsOf(config));
    for (const secret of [config.redis.token, ...config.signing.keys.map(({ text }) => text)]) {
      if (secret !== undefined)
        assert.ok(!scrub(`x ${secret} y`).includes(secret), 'a secret is known as such');
    }
    attempt(() => createRedis(config.redis), ConfigError);
    return true;
  },
);

export const INPUTS = [...EVENTS, CONFIG];
