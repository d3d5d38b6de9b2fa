import { RedisReplyError } from '../../lib/errors.ts';
import { createRedis } from '../../lib/redis/client.ts';
import type { Redis, Reply } from '../../lib/redis/redis.ts';
import { expectCalls } from '../checks.ts';
import { reading } from '../measure.ts';
import { ROUND } from '../modules.ts';
import type { Row } from '../row.ts';
import { inWords, worldOf } from './setup.ts';

const SIZES = [10, 1_000, 10_000, 100_000] as const;
const MOST_COMMANDS = 2;
/** Commands run, those inside scripts counted, for a size that has a target. */
const MOST_RUN: Readonly<Partial<Record<number, number>>> = { 10: 25, 10000: 80 };
const SETTLED = 10_000;

export const roundCost: Row = {
  name: 'round-cost',
  title: `what a round costs, from ${inWords(SIZES[0])} to ${inWords(SIZES.at(-1) ?? 0)} consumers: time, CPU, Redis`,
  targets: `at most ${MOST_COMMANDS} commands sent per 1,000 consumers, from ${inWords(SETTLED)} on; run, those inside scripts counted: at most 25 for 10 consumers, 80 for 10,000`,
  long: true,
  limitMs: 300_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    if (redis.kind === 'embedded') {
      return { kind: 'skipped', why: 'needs a redis-server in PATH: the embedded one does not count bytes' };
    }
    const observer = createRedis({ url: redis.url });
    lab.defer(observer.close);
    const figures = [];
    for (const size of SIZES) {
      lab.say(`${inWords(size)}: three rounds`);
      const world = worldOf(`round-cost-${size}`, redis, peers);
      await redis.fillPeers(world.keys.consumers, size);
      const contestant = await lab.contestant(ROUND, world.params());
      // The first round finds no health, so it reads less than every later one.
      await contestant.run();
      const before = await traffic(observer);
      const { ms, cpuMs = Number.NaN } = await contestant.run();
      const after = await traffic(observer);
      // What MONITOR shows leaves Redis as well: it has a round of its own.
      const count = await redis.countCommands();
      const { facts } = await contestant.run();
      const { sent, run } = (await count?.take()) ?? { sent: facts.commands ?? Number.NaN, run: Number.NaN };
      await contestant.end();
      await expectCalls(peers, 3 * size);

      const perConsumer = (bytes: number) => [bytes / size];
      const memory = async (key: string) =>
        Number(await ask(observer, 'MEMORY', 'USAGE', key, 'SAMPLES', '0'));
      const n = inWords(size);
      figures.push(
        reading(`${n}: time`, 's', [ms / 1_000]),
        reading(`${n}: CPU per 10,000`, 's', [((cpuMs / size) * 10_000) / 1_000]),
        reading(`${n}: commands sent`, '', [sent]),
        reading(
          `${n}: commands run`,
          '',
          [run],
          MOST_RUN[size] === undefined ? undefined : { atMost: MOST_RUN[size] },
        ),
        reading(
          `${n}: commands sent per 1,000`,
          '',
          [(sent / size) * 1_000],
          size < SETTLED ? undefined : { atMost: MOST_COMMANDS },
        ),
        reading(`${n}: to Redis, per consumer`, 'B', perConsumer(after.received - before.received)),
        reading(`${n}: from Redis, per consumer`, 'B', perConsumer(after.sent - before.sent)),
        reading(
          `${n}: memory of addresses, per consumer`,
          'B',
          perConsumer(await memory(world.keys.consumers)),
        ),
        reading(`${n}: memory of health, per consumer`, 'B', perConsumer(await memory(world.keys.health))),
      );
    }
    return {
      kind: 'measured',
      figures,
      notes: [
        'the second of three rounds, over TCP; commands of the third; bytes by INFO, in the Redis protocol, without TCP, TLS or HTTP around it; memory by MEMORY USAGE',
      ],
    };
  },
};

async function ask(redis: Redis, ...command: [string, ...string[]]): Promise<Reply> {
  const [reply] = await redis.send([command], { repeatable: true });
  if (reply instanceof RedisReplyError) throw reply;
  return reply ?? null;
}

/** What Redis has received and sent since its start. */
async function traffic(redis: Redis): Promise<{ received: number; sent: number }> {
  const info = String(await ask(redis, 'INFO', 'stats'));
  const count = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? Number.NaN);
  return { received: count('total_net_input_bytes'), sent: count('total_net_output_bytes') };
}
