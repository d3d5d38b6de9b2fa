import type { AppParts } from '../../lib/app.ts';
import type { Epoch } from '../../lib/ip/register.ts';
import type { Command, Redis } from '../../lib/redis/redis.ts';
import { listOf, type Pair, pairsOf, repliesTo, scanPages } from '../../lib/store/replies.ts';
import { type ConsumerRow, type ConsumerRules, consumerRow } from './consumer-row.ts';
import { type ProducerRow, producerRow } from './producer-row.ts';

/** Above so many members a command that did not ask for all of them reads none: each 1,000 cost two or three commands. */
export const CHEAP_MEMBERS = 10_000;

type Reading = Pick<AppParts, 'redis' | 'keys' | 'policy' | 'config'> & {
  readonly nowMs: number;
  /** Hexadecimal digits and hyphens with which a UUID starts: others are not read. */
  readonly start?: string | undefined;
};

/**
 * Pages of `consumers` with what is known about each, two commands a page; with `whole` one page of all, for a hash that is
 * known to be small. Of pages an entry may come twice.
 */
export async function* readConsumers(
  reading: Reading & { readonly whole?: boolean },
): AsyncGenerator<ConsumerRow[]> {
  const { redis, keys, start, whole = false } = reading;
  const rules = rulesOf(reading);
  const pages = whole
    ? [pairsOf((await repliesTo(redis, [['HGETALL', keys.consumers]]))[0])]
    : scanPages(redis, { command: 'HSCAN', key: keys.consumers, match: patternOf(start) });
  for await (const page of pages) {
    if (page.length === 0) continue;
    const [healths] = await listsOf(redis, [['HMGET', keys.health, ...page.map(([uuid]) => uuid)]]);
    yield page.map(([uuid, address], i) => consumerRow(uuid, address, healths?.[i], rules));
  }
}

/** The consumers of those fields that are still there, in two commands. */
export async function* readNamed(fields: readonly string[], reading: Reading): AsyncGenerator<ConsumerRow[]> {
  if (fields.length === 0) return;
  const { redis, keys } = reading;
  const [addresses, healths] = await listsOf(redis, [
    ['HMGET', keys.consumers, ...fields],
    ['HMGET', keys.health, ...fields],
  ]);
  yield fields.flatMap((field, i) => {
    const address = addresses?.[i];
    return typeof address === 'string' ? [consumerRow(field, address, healths?.[i], rulesOf(reading))] : [];
  });
}

function rulesOf({ policy, config, nowMs }: Reading): ConsumerRules {
  return { policy, localUuid: config.localUuid, intervalMs: config.sync.intervalMs, nowMs };
}

/**
 * Pages of `producers` with what each was told, three commands a page; then, where `missing` is set, of deliveries to
 * producers that are not there any more.
 */
export async function* readProducers(
  reading: Reading & { readonly epoch: Epoch | undefined; readonly missing: boolean },
): AsyncGenerator<ProducerRow[]> {
  const { redis, keys, start, missing } = reading;
  const match = patternOf(start);
  for await (const page of scanPages(redis, { command: 'HSCAN', key: keys.producers, match })) {
    if (page.length === 0) continue;
    const uuids = page.map(([uuid]) => uuid);
    const [jsons, scores] = await listsOf(redis, [
      ['HMGET', keys.deliveries, ...uuids],
      ['ZMSCORE', keys.due, ...uuids],
    ]);
    yield page.map(([uuid, address], i) =>
      producerRow({ uuid, address, json: jsons?.[i], score: scores?.[i] }, reading),
    );
  }
  if (!missing) return;
  for await (const page of scanPages(redis, { command: 'ZSCAN', key: keys.due, match })) {
    if (page.length > 0) yield (await readDue(page, reading)).filter(({ state }) => state === 'missing');
  }
}

/** What is known about members of `deliveries:due`, in two commands. */
export async function readDue(
  due: readonly Pair[],
  reading: Pick<Reading, 'redis' | 'keys' | 'policy' | 'nowMs'> & { readonly epoch: Epoch | undefined },
): Promise<ProducerRow[]> {
  const { redis, keys } = reading;
  const uuids = due.map(([uuid]) => uuid);
  const [jsons, addresses] = await listsOf(redis, [
    ['HMGET', keys.deliveries, ...uuids],
    ['HMGET', keys.producers, ...uuids],
  ]);
  return due.map(([uuid, score], i) =>
    producerRow({ uuid, address: addresses?.[i], json: jsons?.[i], score }, reading),
  );
}

async function listsOf(redis: Redis, commands: readonly Command[]) {
  return (await repliesTo(redis, commands)).map(listOf);
}

/** HSCAN's pattern for the start of a UUID, which the API may spell in capitals. */
function patternOf(start: string | undefined): string | undefined {
  if (start === undefined) return undefined;
  return `${start.replace(/[a-f]/gi, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`)}*`;
}
