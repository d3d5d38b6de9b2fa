import type { AppParts } from '../../lib/app.ts';
import type { Epoch } from '../../lib/ip/register.ts';
import { listOf, orThrow } from '../read/fields.ts';
import { readHash, type ScanEntry, scanPages } from '../read/scan.ts';
import { type ConsumerRow, type ConsumerRules, consumerRow } from './consumer-row.ts';
import { type ProducerRow, producerRow } from './producer-row.ts';

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
    ? readHash(redis, keys.consumers)
    : scanPages(redis, { command: 'HSCAN', key: keys.consumers, match: patternOf(start) });
  for await (const page of pages) {
    if (page.length === 0) continue;
    const [reply] = await redis.send([['HMGET', keys.health, ...page.map(([uuid]) => uuid)]], {
      repeatable: true,
    });
    const healths = listOf(orThrow(reply));
    yield page.map(([uuid, address], i) => consumerRow(uuid, address, healths[i], rules));
  }
}

/** The consumers of those fields that are still there, in two commands. */
export async function* readNamed(fields: readonly string[], reading: Reading): AsyncGenerator<ConsumerRow[]> {
  if (fields.length === 0) return;
  const { redis, keys } = reading;
  const [addresses, healths] = (
    await redis.send(
      [
        ['HMGET', keys.consumers, ...fields],
        ['HMGET', keys.health, ...fields],
      ],
      { repeatable: true },
    )
  ).map((reply) => listOf(orThrow(reply)));
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
    const [jsons, scores] = (
      await redis.send(
        [
          ['HMGET', keys.deliveries, ...uuids],
          ['ZMSCORE', keys.due, ...uuids],
        ],
        { repeatable: true },
      )
    ).map((reply) => listOf(orThrow(reply)));
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
  due: readonly ScanEntry[],
  reading: Pick<Reading, 'redis' | 'keys' | 'policy' | 'nowMs'> & { readonly epoch: Epoch | undefined },
): Promise<ProducerRow[]> {
  const { redis, keys } = reading;
  const uuids = due.map(([uuid]) => uuid);
  const [jsons, addresses] = (
    await redis.send(
      [
        ['HMGET', keys.deliveries, ...uuids],
        ['HMGET', keys.producers, ...uuids],
      ],
      { repeatable: true },
    )
  ).map((reply) => listOf(orThrow(reply)));
  return due.map(([uuid, score], i) =>
    producerRow({ uuid, address: addresses?.[i], json: jsons?.[i], score }, reading),
  );
}

/** HSCAN's pattern for the start of a UUID, which the API may spell in capitals. */
function patternOf(start: string | undefined): string | undefined {
  if (start === undefined) return undefined;
  return `${start.replace(/[a-f]/gi, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`)}*`;
}
