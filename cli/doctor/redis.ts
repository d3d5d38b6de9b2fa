import { randomUUID } from 'node:crypto';
import type { AppParts } from '../../lib/app.ts';
import { RedisReplyError, RedisUnavailableError } from '../../lib/errors.ts';
import { createRedisClock } from '../../lib/redis/clock.ts';
import type { Command } from '../../lib/redis/redis.ts';
import { type Identity, identityOf } from '../../lib/store/identity.ts';
import { releaseCall } from '../../lib/store/lease.ts';
import { type Answered, pairsOf } from '../../lib/store/replies.ts';
import { visible } from '../../report/text/escape.ts';
import { duration } from '../../report/text/time.ts';
import { type Finding, failure, ok, present, unavailable, warning } from './finding.ts';

/** Over this Redis is too slow for a lease to be trusted (`createRedisClock`). */
const TOO_SLOW_MS = 2_000;
const SLOW_MS = 500;
/** TLS, AWS's signatures and log lines bear so much. */
const CLOCK_OFF_MS = 5_000;
const PROBE_LEASE_MS = 10_000;

/** What Redis is, how it is, and whose. @throws RedisUnavailableError */
export async function checkRedis(
  parts: AppParts,
): Promise<{ findings: readonly Finding[]; identity: Identity }> {
  const { redis, keys, config, host } = parts;
  const types = typesOf(keys);
  const { host: where } = new URL(config.redis.url);
  const questions: Command[] = [
    ['GET', keys.uuid],
    ['CONFIG', 'GET', 'maxmemory-policy'],
    ['CONFIG', 'GET', 'maxmemory'],
    ['INFO'],
    ...types.map(([key]): Command => ['TYPE', key]),
  ];
  // The first trip connects; the second is timed.
  const [uuid, policy, limit, info, ...found] = await redis.send(questions, { repeatable: true });
  const startedMs = host.monotonicMs();
  const clock = createRedisClock(host);
  await clock.refresh(redis);
  const tookMs = host.monotonicMs() - startedMs;

  const server = infoOf(info);
  const identity = identityOf(uuid, config.localUuid);
  const usable = identity === 'ours' || identity === 'absent';
  return {
    identity,
    findings: present([
      reachable(where, tookMs, server),
      tooOld(server),
      whose(identity, keys.uuid),
      usable ? await writable(parts) : undefined,
      eviction(policy, limit, server),
      persistence(server),
      ...(usable ? wrongTypes(types, found) : []),
      agreement(clock.nowMs() - host.wallMs(), tookMs),
    ]),
  };
}

type Info = ReadonlyMap<string, string>;

function infoOf(reply: Answered): Info {
  const lines = typeof reply === 'string' ? reply.split(/\r?\n/) : [];
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf(':');
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
    }),
  );
}

function reachable(where: string, tookMs: number, info: Info): Finding {
  const version = info.get('redis_version');
  const text = `${where} answers in ${duration(Math.max(1, tookMs))}${version === undefined ? '' : `, version ${visible(version, 20)}`}`;
  if (tookMs > TOO_SLOW_MS) {
    return failure(
      'redis',
      `${text}: too slow for leases`,
      'Jobs do nothing while it takes over 2 s. Use one that is nearer, or less busy.',
    );
  }
  if (tookMs > SLOW_MS)
    return warning('redis', text, 'A round makes 3 trips for each 1,000 consumers. Use one that is nearer.');
  return ok('redis', text);
}

/** ZMSCORE, and what else the scripts use, came with 6.2. */
function tooOld(info: Info): Finding | undefined {
  const version = info.get('redis_version') ?? '';
  const [major, minor] = version.split('.').map(Number);
  if (major === undefined || minor === undefined || Number.isNaN(major + minor)) return undefined;
  if (major > 6 || (major === 6 && minor >= 2)) return undefined;
  return failure('redis', `Redis ${visible(version, 20)} is too old`, 'Install Redis 6.2 or newer.');
}

function whose(identity: Identity, key: string): Finding {
  switch (identity) {
    case 'ours':
      return ok('identity', "Redis is this consumer's: it holds LOCAL_UUID");
    case 'absent':
      return ok('identity', "Redis is nobody's yet: the first job makes it ours");
    case 'other':
      return failure(
        'identity',
        `Redis belongs to another consumer: the key ${key} differs from LOCAL_UUID`,
        `Look at it with GET ${key}. Give LOCAL_UUID the UUID that your consumer API uses, or point REDIS_URL or REDIS_PREFIX at its own database. If LOCAL_UUID was wrong when the scheduler first ran here: DEL ${key}, that key alone.`,
      );
    case 'unreadable':
      return failure(
        'identity',
        `the key ${key} does not hold a UUID`,
        `Look at it with TYPE ${key}; if nothing else uses the key, delete it.`,
      );
  }
}

/** Takes a lease that nobody else uses and gives it back: the one thing that the doctor writes. */
async function writable({ redis, keys }: AppParts): Promise<Finding> {
  const token = randomUUID();
  const key = keys.lease('doctor');
  const replies = await redis
    .send([['SET', key, token, 'NX', 'PX', PROBE_LEASE_MS], releaseCall(key, token)], { repeatable: true })
    .catch((error: unknown) => {
      if (!(error instanceof RedisUnavailableError)) throw error;
      return [error];
    });
  const error = replies.find((reply) => reply instanceof Error);
  if (error instanceof RedisReplyError) {
    return failure(
      'writable',
      `Redis cannot be written: this login may not write, or not run scripts (${visible(error.message, 80)})`,
      'Use a login (on Upstash: the token that is not read-only) with +@all on the keys of REDIS_PREFIX, or the rights that docs/REDIS.md lists.',
    );
  }
  if (error !== undefined) return unavailable('writable', error.message);
  return ok('writable', 'scripts run and may write');
}

function eviction(policy: Answered, limit: Answered, info: Info): Finding {
  const name = new Map(pairsOf(policy)).get('maxmemory-policy') ?? info.get('maxmemory_policy');
  const bytes = new Map(pairsOf(limit)).get('maxmemory') ?? info.get('maxmemory');
  if (name === undefined) {
    return warning(
      'eviction',
      'Redis does not tell whether it evicts',
      'See its console or configuration: eviction has to be off (maxmemory-policy noeviction).',
    );
  }
  if (name === 'noeviction') return ok('eviction', 'off (noeviction)');
  const shown = visible(name, 30);
  const todo = 'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf.';
  if (bytes === '0') return warning('eviction', `${shown}, though without a limit so far`, todo);
  return failure('eviction', `Redis evicts (${shown}): it may drop a change or a lease`, todo);
}

function persistence(info: Info): Finding | undefined {
  const aof = info.get('aof_enabled');
  if (aof === '1') return ok('persisted', 'the append-only file is on');
  if (aof !== '0') return undefined;
  return warning(
    'persisted',
    'the append-only file is off: a crash of Redis loses its last writes',
    'CONFIG SET appendonly yes, and the same in redis.conf.',
  );
}

function typesOf(keys: AppParts['keys']): (readonly [key: string, type: string])[] {
  return [
    [keys.consumers, 'hash'],
    [keys.producers, 'hash'],
    [keys.health, 'hash'],
    [keys.candidates, 'hash'],
    [keys.cursor, 'hash'],
    [keys.rounds, 'stream'],
    [keys.ip, 'hash'],
    [keys.ipHistory, 'stream'],
    [keys.deliveries, 'hash'],
    [keys.due, 'zset'],
    [keys.called, 'set'],
    [keys.reply, 'string'],
    [keys.days, 'hash'],
    [keys.alerts, 'hash'],
  ];
}

function wrongTypes(types: readonly (readonly [string, string])[], found: readonly Answered[]) {
  return types.map(([key, wanted], i) => {
    const type = found[i];
    if (type === wanted || type === 'none' || typeof type !== 'string') return undefined;
    return failure(
      'keys',
      `the key ${key} is a ${visible(type, 20)}, expected a ${wanted}`,
      `Nothing of ours wrote that. Look at it; then rename it (RENAME ${key} ${key}:old) or delete it.`,
    );
  });
}

function agreement(offsetMs: number, tookMs: number): Finding {
  const off = Math.abs(offsetMs);
  if (off <= CLOCK_OFF_MS + tookMs) return ok('clocks', "Redis's and this machine's agree");
  const text = `Redis's clock is ${duration(off)} ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return warning(
    'clocks',
    text,
    "One of the two is wrong: see timedatectl on both. The jobs go by Redis's; certificates and AWS by this machine's.",
  );
}
