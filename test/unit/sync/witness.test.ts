import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_STATE } from '../../../lib/store/part-state.ts';
import { createWitness } from '../../../lib/sync/witness.ts';
import { sourceSaying } from '../../support/sources.ts';
import { ip } from '../../support/votes.ts';

const OURS = ip('198.51.100.1');
const NEIGHBOUR = ip('198.51.7.7');
const FAR = Array.from({ length: 10 }, (_, n) => ip(`9.${n}.0.1`));

/** A round in which the first `failing` of ten that are far fail, and a neighbour does; its weight. */
function weighNeighbour(failing: number) {
  const witness = createWitness({
    ownIp: OURS,
    last: NO_STATE,
    sourcesOf: () => [],
    host: { monotonicMs: () => 2 },
  });
  for (const [n, peer] of FAR.entries()) {
    witness.tried(peer, n < failing);
    if (n >= failing) witness.answered(peer);
  }
  witness.tried(NEIGHBOUR, true);
  return witness.weigh({ ip: NEIGHBOUR, error: 'timeout', beganMs: 1 });
}

test('the failure of a neighbour counts while those far away answer', () => {
  assert.equal(weighNeighbour(0), 'counted');
  assert.equal(weighNeighbour(2), 'counted');
});

test('the failure of a neighbour does not count in a mass failure of those far away', () => {
  assert.equal(weighNeighbour(5), 'uncounted');
});

test('only a source on another machine shows that the failure of one far away is its own', async () => {
  const weightWith = async (witness: boolean) => {
    const round = createWitness({
      ownIp: OURS,
      last: NO_STATE,
      sourcesOf: () => [{ ...sourceSaying('source', () => OURS), witness }],
      host: { monotonicMs: () => 2 },
    });
    const failure = { ip: ip('9.0.0.1'), error: 'timeout', beganMs: 1 } as const;
    await round.askSources([failure], new AbortController().signal);
    return round.weigh(failure);
  };
  assert.deepEqual([await weightWith(true), await weightWith(false)], ['counted', 'uncounted']);
});
