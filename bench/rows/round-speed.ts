import { prepareCeiling, prepareCurl } from '../baselines/tools.ts';
import { comparison, type Figure, interleave, type Run, reading, type Target } from '../measure.ts';
import { FETCH_LOOP, HTTP_LOOP, ROUND } from '../modules.ts';
import type { Row } from '../row.ts';
import { inWords, loopParams, ratesOf, valuesOf, worldOf } from './setup.ts';

const CONSUMERS = 20_000;
const CONCURRENCY = 256;
const REPETITIONS = 3;

export const roundSpeed: Row = {
  name: 'round-speed',
  title: `a whole round over ${inWords(CONSUMERS)} consumers, against node:http, fetch, curl --parallel and ab`,
  targets: 'at least the rate of a bare node:http loop, 3 x fetch, 1.8 x curl --parallel',
  long: true,
  limitMs: 300_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    const world = worldOf('round-speed', redis, peers);
    await redis.fillPeers(world.keys.consumers, CONSUMERS);
    const params = loopParams(peers, CONSUMERS, CONCURRENCY);
    const ours = await lab.contestant(ROUND, world.params({ SYNC_CONCURRENCY: String(CONCURRENCY) }));
    const loop = await lab.contestant(HTTP_LOOP, params);
    const naive = await lab.contestant(FETCH_LOOP, params);
    const curl = await prepareCurl(lab, params);
    const ceiling = await prepareCeiling(lab, params);
    lab.say(`${REPETITIONS} + 1 passes of each, about 25 s a pass`);
    const runs = await interleave<string>(
      {
        round: ours.run,
        loop: loop.run,
        fetch: naive.run,
        ...('run' in curl ? { curl: curl.run } : {}),
        ...('run' in ceiling ? { ceiling: ceiling.run } : {}),
      },
      REPETITIONS,
    );
    const of = (name: string): readonly Run[] => runs[name] ?? [];
    const against = (name: string, words: string, target?: Target): Figure[] =>
      of(name).length === 0
        ? []
        : [
            comparison(
              `rate of the round / ${words}`,
              'rate',
              valuesOf('ms', of('round')),
              valuesOf('ms', of(name)),
              target,
            ),
          ];
    return {
      kind: 'measured',
      figures: [
        ...against('loop', 'a bare node:http loop', { atLeast: 1 }),
        ...against('fetch', 'fetch', { atLeast: 3 }),
        ...against('curl', 'curl --parallel', { atLeast: 1.8 }),
        ...against('ceiling', 'name' in ceiling ? `${ceiling.name} (the ceiling)` : ''),
        reading('rate of the round', '/s', ratesOf(CONSUMERS, of('round'))),
      ],
      notes: [
        `median of ${REPETITIONS} interleaved passes, ${CONCURRENCY} at a time; Redis: ${redis.engine}`,
        ...('missing' in curl ? [`NOT MEASURED against curl: ${curl.missing}`] : []),
        ...('missing' in ceiling ? [`NOT MEASURED against a ceiling: ${ceiling.missing}`] : []),
      ],
    };
  },
};
