import { AGAIN_AFTER_MS, AGAIN_WITHIN_MS } from '../../lib/sync/calls.ts';
import { openAfterClosing } from '../checks.ts';
import { openDescriptors, peakDescriptors } from '../descriptors.ts';
import { comparison, type Run, reading } from '../measure.ts';
import { HTTP_LOOP, ROUND } from '../modules.ts';
import type { Row } from '../row.ts';
import { type Behaviour, brokenBehaviourOf, ipOf } from '../world.ts';
import { inWords, loopParams, valuesOf, worldOf } from './setup.ts';

const CONSUMERS = 4_000;
const CONCURRENCY = 256;
const TIMEOUT_MS = 1_000;
const REPETITIONS = 3;
/** Lambda's limit for one function's process. */
const MAX_DESCRIPTORS = 1_024;
/** These hold their place until the deadline. */
const HANGING: readonly Behaviour[] = ['black-hole', 'silent', 'endless'];

export const roundBroken: Row = {
  name: 'round-broken',
  title: `a round over ${inWords(CONSUMERS)} consumers of which 5 % refuse, 5 % drop every packet, 5 % never answer, 1 % send garbage, 1 % never end`,
  targets:
    'at most the time that two calls, their deadline and concurrency allow; at most 1,024 file descriptors; nothing left open',
  long: true,
  limitMs: 120_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    const world = worldOf('round-broken', redis, peers);
    const behaviours = Array.from({ length: CONSUMERS }, (_, index) => brokenBehaviourOf(index));
    const hanging = behaviours.filter((behaviour) => HANGING.includes(behaviour)).length;
    const well = behaviours.filter((behaviour) => behaviour === 'well').length;
    await redis.fillPeers(world.keys.consumers, CONSUMERS, (index) => {
      const behaviour = brokenBehaviourOf(index);
      return behaviour === 'well' ? ipOf(index) : `${ipOf(index)}:${peers.ports[behaviour]}`;
    });
    const ours = await lab.contestant(
      ROUND,
      world.params({ SYNC_CONCURRENCY: String(CONCURRENCY), SYNC_TIMEOUT_MS: String(TIMEOUT_MS) }),
    );
    const loop = await lab.contestant(HTTP_LOOP, loopParams(peers, CONSUMERS - hanging, CONCURRENCY));

    const rounds: Run[] = [];
    const allowed: number[] = [];
    const peaks: number[] = [];
    const left: number[] = [];
    for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
      // Without their health nobody is dead yet, so that every consumer is due in every round.
      await redis.remove(world.keys.health);
      const before = await openDescriptors(ours.pid);
      const { result, peak } = await peakDescriptors(ours.pid, ours.run);
      const after = await openDescriptors(ours.pid);
      const bare = await loop.run();
      // The first pass warms up and opens the connection to Redis.
      if (repetition === 0) continue;
      rounds.push(result);
      peaks.push(peak);
      left.push((after ?? Number.NaN) - (before ?? Number.NaN));
      const hangingMs = (hanging * TIMEOUT_MS) / CONCURRENCY + TIMEOUT_MS;
      allowed.push(bare.ms / 0.85 + hangingMs + AGAIN_AFTER_MS + AGAIN_WITHIN_MS + hangingMs);
    }
    const least = (fact: string) => Math.min(...rounds.map(({ facts }) => facts[fact] ?? Number.NaN));
    const open = await openAfterClosing(peers);
    const onLinux = peaks.every((peak) => peak > 0);
    return {
      kind: 'measured',
      figures: [
        comparison('time of the round / what is allowed', 'share', valuesOf('ms', rounds), allowed, {
          atMost: 1,
        }),
        reading('consumers probed / all', 'x', [least('probes') / CONSUMERS], { atLeast: 1 }),
        reading('consumers found alive / well ones', 'x', [least('alive') / well], { atLeast: 1 }),
        ...(onLinux
          ? [
              reading('open file descriptors at most', '', [Math.max(...peaks)], { atMost: MAX_DESCRIPTORS }),
              reading('descriptors left open after a round', '', [Math.max(...left)], { atMost: 0 }),
            ]
          : []),
        reading('connections left open at the peers', '', [open], { atMost: 0 }),
        reading('time of the round', 'ms', valuesOf('ms', rounds)),
      ],
      notes: [
        `allowed: the bare loop over the ${inWords(CONSUMERS - hanging)} others / 0.85, plus ${hanging} x ${TIMEOUT_MS} ms / ${CONCURRENCY} and one deadline for the last, twice, plus ${AGAIN_AFTER_MS + AGAIN_WITHIN_MS} ms until the last is called again`,
        `median of ${REPETITIONS} passes; Redis: ${redis.engine}`,
        ...(onLinux ? [] : ['NOT MEASURED: file descriptors, which are counted in /proc']),
      ],
    };
  },
};
