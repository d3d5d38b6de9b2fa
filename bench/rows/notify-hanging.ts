import { comparison, interleave, type Run, reading } from '../measure.ts';
import { NOTIFY } from '../modules.ts';
import type { Row } from '../row.ts';
import { ipOf } from '../world.ts';
import { inWords, worldOf } from './setup.ts';

const PRODUCERS = 10_000;
const LIVING = 7_000;
const REPETITIONS = 3;
/** Enough to tell the living; those that hang would take minutes. */
const LIMIT_MS = 20_000;

/** The first ones are elsewhere. */
const at = (index: number, port: number) =>
  index < PRODUCERS - LIVING ? `${ipOf(index)}:${port}` : ipOf(index);

export const notifyHanging: Row = {
  name: 'notify-hanging',
  title: `the last living one of ${inWords(PRODUCERS)} producers is told, 30 % of which hang, against the same without them`,
  targets: 'at most 2 times the time from the commit to the last acknowledgement',
  long: true,
  limitMs: 240_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    const open = async (name: string, producers: number, address?: (index: number) => string) => {
      const world = worldOf(name, redis, peers);
      await redis.fillPeers(world.keys.producers, producers, address);
      const contestant = await lab.contestant(NOTIFY, { ...world.params(ENV), limitMs: LIMIT_MS });
      return { world, contestant };
    };
    const { refusing, silent } = peers.ports;
    const without = await open('living', LIVING);
    const among = await open('hanging', PRODUCERS, (index) => at(index, refusing));
    lab.say(`${REPETITIONS} + 1 passes of each, up to 20 s a pass`);
    // Those that hang have not acknowledged the address before: a first change tells the living.
    await among.contestant.run();
    await redis.fillPeers(among.world.keys.producers, PRODUCERS, (index) => at(index, silent));
    const runs = await interleave(
      { without: without.contestant.run, among: among.contestant.run },
      REPETITIONS,
    );
    for (const run of [...runs.without, ...runs.among]) {
      if (run.facts.acknowledged !== LIVING)
        throw new Error(`${run.facts.acknowledged} were told, not ${LIVING}`);
    }
    const times = (list: readonly Run[]) => list.map(({ facts }) => facts.toldAfterMs ?? Number.NaN);
    return {
      kind: 'measured',
      figures: [
        comparison(
          'time to the last living one: among 30 % that hang / without them',
          'share',
          times(runs.among),
          times(runs.without),
          { atMost: 2 },
        ),
        reading('time to the last living one among 30 % that hang', 'ms', times(runs.among)),
      ],
      notes: [
        `median of ${REPETITIONS} interleaved passes; the commit calls those first who acknowledged the address before`,
        `Redis: ${redis.engine}`,
      ],
    };
  },
};

const ENV = { NOTIFY_CONCURRENCY: '64', NOTIFY_TIMEOUT_MS: '1000' };
