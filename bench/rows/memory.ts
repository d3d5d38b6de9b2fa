import type { Keys } from '../../lib/store/keys.ts';
import { expectCalls } from '../checks.ts';
import type { Lab } from '../lab.ts';
import { reading } from '../measure.ts';
import { NOTIFY, ROUND } from '../modules.ts';
import type { Row, RowOutcome } from '../row.ts';
import { inWords, worldOf } from './setup.ts';

const SIZES = [1_000, 3_000, 10_000, 30_000, 100_000] as const;
/** From here on as many pages and calls are open as there ever are: what still grows, grows with the number of peers. */
const SETTLED = 10_000;
const LARGEST = 100_000;
const TARGET = { atMost: 1.2 };

export const roundMemory: Row = memoryRow('round-memory', 'consumers', ROUND, (keys) => keys.consumers);
export const notifyMemory: Row = memoryRow('notify-memory', 'producers', NOTIFY, (keys) => keys.producers);

function memoryRow(name: string, who: string, subject: URL, keyOf: (keys: Keys) => string): Row {
  return {
    name,
    title: `memory in use during one run, from ${inWords(SIZES[0])} to ${inWords(LARGEST)} ${who}`,
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
  const curve: { size: number; liveMb: number; peakMb: number; ms: number }[] = [];
  for (const size of SIZES) {
    lab.say(`${inWords(size)} …`);
    const world = worldOf(`${name}-${size}`, redis, peers);
    await redis.fillPeers(keyOf(world.keys), size);
    // A process of its own for each size: a peak does not go down again.
    const contestant = await lab.contestant(subject, world.params(), { samplesMemory: true });
    const { liveMb = Number.NaN, peakMb = Number.NaN, ms } = await contestant.run();
    await contestant.end();
    await expectCalls(peers, size);
    curve.push({ size, liveMb, peakMb, ms });
  }
  const liveAt = (wanted: number) => curve.find(({ size }) => size === wanted)?.liveMb ?? Number.NaN;
  return {
    kind: 'measured',
    figures: [
      reading(
        `in use at ${inWords(LARGEST)} / at ${inWords(SETTLED)}`,
        'x',
        [liveAt(LARGEST) / liveAt(SETTLED)],
        TARGET,
      ),
      ...curve.map(({ size, liveMb }) => reading(`in use at ${inWords(size)}`, 'MB', [liveMb])),
      ...curve.map(({ size, peakMb }) => reading(`resident at ${inWords(size)}`, 'MB', [peakMb])),
    ],
    notes: [
      'one run each in a fresh process; in use: the most that was left after a garbage collection, of which there were ten a second; resident: the peak of the whole process, Node included',
      curve.map(({ size, ms }) => `${inWords(size)}: ${(ms / 1_000).toFixed(1)} s`).join(', '),
    ],
  };
}
