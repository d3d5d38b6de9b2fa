import type { Keys } from '../../lib/redis/keys.ts';
import { expectCalls } from '../checks.ts';
import type { Lab } from '../lab.ts';
import { reading } from '../measure.ts';
import { NOTIFY, ROUND } from '../modules.ts';
import type { Row, RowOutcome } from '../row.ts';
import { inWords, worldOf } from './setup.ts';

const SIZES = [1_000, 3_000, 10_000, 30_000, 100_000] as const;
/** From here on the heap has found its size: what still grows, grows with the number of peers. */
const SETTLED = 10_000;
const LARGEST = 100_000;
const TARGET = { atMost: 1.2 };

export const roundMemory: Row = memoryRow('round-memory', 'consumers', ROUND, (keys) => keys.consumers);
export const notifyMemory: Row = memoryRow('notify-memory', 'producers', NOTIFY, (keys) => keys.producers);

function memoryRow(name: string, who: string, subject: URL, keyOf: (keys: Keys) => string): Row {
  return {
    name,
    title: `peak memory of one run from ${inWords(SIZES[0])} to ${inWords(LARGEST)} ${who}`,
    targets: `at ${inWords(LARGEST)} at most ${TARGET.atMost} of what it is at ${inWords(SETTLED)}`,
    long: true,
    limitMs: 300_000,
    run: (lab) => measureCurve(lab, name, subject, keyOf),
  };
}

async function measureCurve(
  lab: Lab,
  name: string,
  subject: URL,
  keyOf: (keys: Keys) => string,
): Promise<RowOutcome> {
  const peers = await lab.peers();
  const redis = await lab.redis();
  if (redis.kind === 'embedded') {
    return {
      kind: 'skipped',
      why: `needs a redis-server in PATH: the embedded one bears no ${inWords(LARGEST)} peers`,
    };
  }
  const curve = new Map<number, { peakMb: number; ms: number }>();
  for (const size of SIZES) {
    lab.say(`${inWords(size)} …`);
    const world = worldOf(`${name}-${size}`, redis, peers);
    await redis.fillPeers(keyOf(world.keys), size);
    // A process of its own for each size: a peak does not go down again.
    const contestant = await lab.contestant(subject, world.params());
    const { peakMb = Number.NaN, ms } = await contestant.run();
    await contestant.end();
    await expectCalls(peers, size);
    curve.set(size, { peakMb, ms });
  }
  const peakAt = (size: number) => curve.get(size)?.peakMb ?? Number.NaN;
  return {
    kind: 'measured',
    figures: [
      reading(
        `peak at ${inWords(LARGEST)} / at ${inWords(SETTLED)}`,
        'x',
        [peakAt(LARGEST) / peakAt(SETTLED)],
        TARGET,
      ),
      ...SIZES.map((size) => reading(`peak at ${inWords(size)}`, 'MB', [peakAt(size)])),
    ],
    notes: [
      `one run each in a fresh process; ${[...curve].map(([size, { ms }]) => `${inWords(size)}: ${(ms / 1_000).toFixed(1)} s`).join(', ')}`,
      'peak memory is the largest resident set of the whole process, Node included',
    ],
  };
}
