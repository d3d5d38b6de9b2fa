import { createRedis } from '../../lib/redis/client.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { seedState } from '../../test/support/report-states.ts';
import type { Contestant } from '../contestant.ts';
import type { Lab } from '../lab.ts';
import { comparison, type Figure, interleave, reading } from '../measure.ts';
import { CONSTANT_PAGE, PAGE } from '../modules.ts';
import type { BenchRedis } from '../redis.ts';
import type { Row } from '../row.ts';
import { inWords, valuesOf } from './setup.ts';

const CONSUMERS = 10_000;
/** The most whose records are all read, each time. */
const FEW = 2_000;
const MANY = 100_000;
const REQUESTS = 30;

export const page: Row = {
  name: 'page',
  title: `the status page over HTTP with ${inWords(CONSUMERS)} consumers, each request reading Redis anew, against a constant page of that size after as many Redis commands`,
  targets:
    'under 100 ms in the median; at most 20 Redis commands sent; both with fewer and with more consumers, too',
  long: false,
  limitMs: 120_000,
  async run(lab) {
    const redis = await lab.redis();
    if (redis.kind === 'embedded') return { kind: 'skipped', why: 'needs a redis-server in PATH' };
    const ours = await openPage(lab, redis, CONSUMERS);
    const { commands, bytes } = await costOf(ours, redis);
    const constant = await lab.contestant(CONSTANT_PAGE, { redisUrl: redis.url, commands, bytes });
    lab.say(`${REQUESTS} requests to each`);
    const runs = await interleave({ ours: ours.run, constant: constant.run }, REQUESTS);
    const ms = valuesOf('ms', runs.ours);

    const others: Figure[] = [];
    for (const entries of [FEW, MANY]) {
      const other = await lab.redis();
      const contestant = await openPage(lab, other, entries);
      const { commands } = await costOf(contestant, other);
      const { it } = await interleave({ it: contestant.run }, REQUESTS);
      others.push(
        reading(`time of a request, ${inWords(entries)} consumers`, 'ms', valuesOf('ms', it), {
          atMost: 100,
        }),
        reading(`Redis commands sent, ${inWords(entries)} consumers`, '', [commands], { atMost: 20 }),
      );
    }
    await redis.remove(createKeys('{p2p}:').rounds);
    const { unsure } = await interleave({ unsure: ours.run }, REQUESTS);
    return {
      kind: 'measured',
      figures: [
        reading('time of a request', 'ms', ms, { atMost: 100 }),
        reading(`the worst of ${REQUESTS} requests`, 'ms', [Math.max(...ms)]),
        reading('Redis commands sent', '', [commands], { atMost: 20 }),
        comparison('time of a request / the constant page', 'share', ms, valuesOf('ms', runs.constant)),
        ...others,
        reading('time of a request while no recent round counted them', 'ms', valuesOf('ms', unsure)),
        reading('CPU of a request, its asking included', 'ms', valuesOf('cpuMs', runs.ours)),
        reading('the page', 'KB', [bytes / 1_000]),
      ],
      notes: [
        `median of ${REQUESTS} interleaved requests; a running page answers from a report that is at most two seconds old`,
        `Redis: ${redis.engine}, over TCP; above ${inWords(FEW)} consumers the last round says how they are; where none is recent, all records are read up to ${inWords(CONSUMERS)}`,
      ],
    };
  },
};

/** A page over a Redis with so many entries of `consumers`: one in nine is dead, one suspect, one new. */
async function openPage(lab: Lab, { url }: BenchRedis, entries: number): Promise<Contestant> {
  const client = createRedis({ url });
  // The state has this consumer itself and one that cannot be called as well.
  await seedState(client, 'many', { consumers: entries - 2 });
  await client.close();
  return lab.contestant(PAGE, { redisUrl: url });
}

async function costOf(
  contestant: Contestant,
  redis: BenchRedis,
): Promise<{ commands: number; bytes: number }> {
  await contestant.run();
  const count = await redis.countCommands();
  const { facts } = await contestant.run();
  return { commands: (await count?.take())?.sent ?? Number.NaN, bytes: facts.bytes ?? Number.NaN };
}
