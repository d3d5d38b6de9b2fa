import { expectCalls } from '../checks.ts';
import { comparison, interleave, type Run, reading } from '../measure.ts';
import { HTTP_LOOP, NOTIFY } from '../modules.ts';
import type { Row } from '../row.ts';
import { LOCAL_UUID } from '../world.ts';
import { inWords, loopParams, ratesOf, valuesOf, worldOf } from './setup.ts';

const PRODUCERS = 10_000;
const FEW = 1_000;
const CONCURRENCY = 64;
const REPETITIONS = 3;

export const notify: Row = {
  name: 'notify',
  title: `${inWords(PRODUCERS)} producers told of a change in one run, against a bare loop of node:http posts to them`,
  targets:
    "at least 0.9 of the loop's rate; at most 3 Redis commands sent per 100 producers, the same for few and many; at most 400 run for 1,000 producers, those inside scripts counted",
  long: false,
  limitMs: 240_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    const open = async (name: string, producers: number) => {
      const world = worldOf(name, redis, peers);
      await redis.fillPeers(world.keys.producers, producers);
      return lab.contestant(NOTIFY, world.params({ NOTIFY_CONCURRENCY: String(CONCURRENCY) }));
    };
    const ours = await open('notify', PRODUCERS);
    const few = await open('notify-few', FEW);
    const loop = await lab.contestant(HTTP_LOOP, {
      ...loopParams(peers, PRODUCERS, CONCURRENCY),
      path: '/ip' as const,
      body: JSON.stringify({ uuid: LOCAL_UUID, ip: '203.0.113.1' }),
    });
    lab.say(`${REPETITIONS} + 1 passes of each, about 6 s a pass`);
    const runs = await interleave({ notify: ours.run, few: few.run, loop: loop.run }, REPETITIONS);
    const count = await redis.countCommands();
    await few.run();
    const run = (await count?.take())?.run;
    await expectCalls(peers, (2 * PRODUCERS + FEW) * (REPETITIONS + 1) + FEW);

    const perHundred = (list: readonly Run[], producers: number) =>
      list.map(({ facts }) => ((facts.commands ?? Number.NaN) / producers) * 100);
    const many = perHundred(runs.notify, PRODUCERS);
    return {
      kind: 'measured',
      figures: [
        comparison(
          'rate of the notify run / the loop',
          'rate',
          valuesOf('ms', runs.notify),
          valuesOf('ms', runs.loop),
          {
            atLeast: 0.9,
          },
        ),
        comparison(
          `commands per 100: ${inWords(PRODUCERS)} / ${inWords(FEW)} producers`,
          'share',
          many,
          perHundred(runs.few, FEW),
          { atMost: 1.1 },
        ),
        reading('Redis commands sent per 100 producers', '', many, { atMost: 3 }),
        ...(run === undefined
          ? []
          : [
              reading(`Redis commands run for ${inWords(FEW)}, those inside scripts counted`, '', [run], {
                atMost: 400,
              }),
            ]),
        comparison(
          'CPU of the notify run / the loop',
          'share',
          valuesOf('cpuMs', runs.notify),
          valuesOf('cpuMs', runs.loop),
        ),
        reading('rate of the notify run', '/s', ratesOf(PRODUCERS, runs.notify)),
      ],
      notes: [
        `median of ${REPETITIONS} interleaved passes, ${CONCURRENCY} at a time; the run includes the commit that makes every producer due, and all leases and settles`,
        `Redis: ${redis.engine}`,
        ...(redis.kind === 'embedded'
          ? ['the embedded engine copies a collection at each write: this rate says nothing about Redis']
          : []),
      ],
    };
  },
};
