import { expectCalls } from '../checks.ts';
import { comparison, interleave, reading } from '../measure.ts';
import { HTTP_LOOP, ROUND } from '../modules.ts';
import type { Row } from '../row.ts';
import { inWords, loopParams, ratesOf, valuesOf, worldOf } from './setup.ts';

// Not a whole thousand: HSCAN may end one of exactly that many with an empty page.
const CONSUMERS = 3_950;
const CONCURRENCY = 256;
const REPETITIONS = 7;

export const round: Row = {
  name: 'round',
  title: `a whole round over ${inWords(CONSUMERS)} consumers, against a bare loop of node:http posts to them`,
  targets: "at least 0.85 of the loop's rate; at most 2.5 Redis commands per 1,000 consumers",
  long: false,
  limitMs: 60_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    const world = worldOf('round', redis, peers);
    await redis.fillPeers(world.keys.consumers, CONSUMERS);
    const ours = await lab.contestant(ROUND, world.params({ SYNC_CONCURRENCY: String(CONCURRENCY) }));
    const loop = await lab.contestant(HTTP_LOOP, loopParams(peers, CONSUMERS, CONCURRENCY));
    lab.say(`${REPETITIONS} + 1 passes of each`);
    const runs = await interleave({ round: ours.run, loop: loop.run }, REPETITIONS);
    await expectCalls(peers, CONSUMERS * 2 * (REPETITIONS + 1));

    const count = await redis.countCommands();
    const { facts } = await ours.run();
    const commands = (await count?.take())?.sent ?? facts.commands ?? Number.NaN;
    const [roundMb, loopMb] = [valuesOf('peakMb', runs.round), valuesOf('peakMb', runs.loop)];
    return {
      kind: 'measured',
      figures: [
        comparison(
          'rate of the round / the loop',
          'rate',
          valuesOf('ms', runs.round),
          valuesOf('ms', runs.loop),
          {
            atLeast: 0.85,
          },
        ),
        reading('Redis commands per 1,000 consumers', '', [(commands / CONSUMERS) * 1_000], { atMost: 2.5 }),
        comparison(
          'CPU of the round / the loop',
          'share',
          valuesOf('cpuMs', runs.round),
          valuesOf('cpuMs', runs.loop),
        ),
        comparison('peak memory of the round / the loop', 'share', roundMb, loopMb),
        reading('peak memory of the round', 'MB', [Math.max(...roundMb)]),
        reading('rate of the round', '/s', ratesOf(CONSUMERS, runs.round)),
      ],
      notes: [
        `median of ${REPETITIONS} interleaved passes, ${CONCURRENCY} probes at a time, each side in a process of its own`,
        `Redis: ${redis.engine}${count === undefined ? '' : '; commands counted by MONITOR, a script as one'}`,
      ],
    };
  },
};
