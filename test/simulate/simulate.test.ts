import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inThread } from '../support/thread.ts';
import { INTERVAL_MS, type Scenario } from './options.ts';
import type { Report } from './simulate.ts';

/** The same worlds in each run, and others with `SIMULATE_SEED=5 npm test`. */
const SEED = Number(process.env.SIMULATE_SEED ?? 1);
/** SYNC_TIMEOUT_MS. */
const TIMEOUT_MS = 3_000;
/** With fewer members than calls at a time, a round is two waves of calls with up to 4 s in between, and a look at the sources. */
const LONGEST_ROUND_MS = 3 * TIMEOUT_MS + 4_000;

const CALM: Scenario = {
  nodes: 20,
  hours: 2,
  seed: SEED,
  start: 'mesh',
  gossip: 'off',
  called: false,
  loss: 0,
  latencyMs: 80,
  churn: 0,
  moves: 0,
  reuse: 0,
  partition: undefined,
  outage: undefined,
  poisoners: 0,
  maxProbes: undefined,
  spread: false,
  nat: undefined,
  descriptors: undefined,
  flap: undefined,
  uplink: undefined,
  stall: undefined,
};

const simulate = inThread<[Scenario], Report>(new URL('./simulate.ts', import.meta.url), 'simulate');

async function run(over: Partial<Scenario>): Promise<Report> {
  const report = await simulate({ ...CALM, ...over });
  const complaints = Object.keys(report.rounds.complaints).filter(
    (text) => !text.startsWith('Our own network'),
  );
  assert.deepEqual(complaints, [], `seed ${SEED}`);
  return report;
}

for (const [start, within] of [
  ['star', 4],
  ['chain', 9],
] as const) {
  test(`from a ${start} of introductions, all know all within ${within} rounds if consumers tell of each other`, async (t) => {
    const { allKnowAllMs, knownShare } = await run({ nodes: 30, hours: 1, start, gossip: 'on' });
    t.diagnostic(`seed ${SEED}: ${allKnowAllMs} ms`);
    assert.equal(knownShare, 1);
    assert.ok(allKnowAllMs !== undefined && allKnowAllMs <= within * INTERVAL_MS + 2 * LONGEST_ROUND_MS);
  });
}

test('if they do not tell, a consumer is known to those alone that it called', async () => {
  const { allKnowAllMs, knownShare } = await run({ nodes: 10, hours: 1, start: 'star' });
  assert.equal(allKnowAllMs, undefined);
  assert.equal(knownShare, 18 / 90, 'node 0 and each other one');
});

test('whoever leaves is held dead by all within three intervals and a round, and nobody else is', async (t) => {
  const { verdicts, undetected, leavers } = await run({ nodes: 24, hours: 3, gossip: 'on', churn: 0.12 });
  t.diagnostic(`seed ${SEED}: ${JSON.stringify(verdicts.detectionMs)}`);
  assert.ok(leavers > 0 && verdicts.detectionMs !== undefined);
  assert.ok(verdicts.detectionMs.max <= 3 * INTERVAL_MS + LONGEST_ROUND_MS);
  assert.ok(verdicts.detectionMs.mean > 2 * INTERVAL_MS, 'two failures are not enough');
  assert.equal(undetected, 0);
  assert.equal(verdicts.falseDeaths, 0);
});

test('whoever moves is reached at its new address by all, even by one that moved at the same time', async (t) => {
  const { moves, verdicts } = await run({ nodes: 18, hours: 5, gossip: 'on', moves: 4 });
  t.diagnostic(`seed ${SEED}: ${JSON.stringify(moves)}`);
  assert.ok(moves.tookMs !== undefined);
  // Three failures, a round in which others tell where it is, the one that tries, and one more for outdated hearsay.
  assert.ok(moves.tookMs.max <= 6 * INTERVAL_MS + 2 * LONGEST_ROUND_MS);
  assert.equal(moves.open, 0);
  assert.equal(verdicts.falseDeaths, 0);
});

test('two that move between the same two rounds lose each other for good if nobody tells', async () => {
  const { moves } = await run({ hours: 4, moves: 30 });
  assert.ok(moves.open > 0);
});

test('nobody is held dead for lost calls: a failure counts only if a second call fails too', async (t) => {
  const loss = 0.1;
  const { verdicts, rounds } = await run({ nodes: 16, hours: 8, loss });
  const threeInARow = rounds.probes * loss ** 3;
  t.diagnostic(`seed ${SEED}: ${verdicts.falseDeaths}; one call each would give ${threeInARow.toFixed(0)}`);
  assert.ok(threeInARow > 15);
  assert.ok(verdicts.falseDeaths <= 2);
});

test('neither an outage of our own nor a partition of an hour paints anybody dead', async (t) => {
  const { verdicts, rounds } = await run({
    hours: 6,
    outage: { from: 30, to: 90 },
    partition: { from: 150, to: 210 },
  });
  t.diagnostic(`seed ${SEED}: ${JSON.stringify(verdicts)}`);
  assert.ok(rounds.inconclusive >= 20 * 11);
  assert.equal(verdicts.inOutage, 0);
  assert.equal(verdicts.falseDeaths, 0);
  assert.equal(verdicts.acrossPartition, 0, 'half of all failing at once is a mass failure, for three hours');
  assert.equal(verdicts.unhealed, 0);
});

test('poisoners make no consumer and move none, and fill no more than the bounds allow', async (t) => {
  const { poison } = await run({
    nodes: 28,
    hours: 1.25,
    start: 'star',
    gossip: 'on',
    loss: 0.02,
    churn: 0.1,
    moves: 8,
    reuse: 0.5,
    poisoners: 22,
  });
  t.diagnostic(`seed ${SEED}: ${JSON.stringify(poison)}`);
  assert.ok(poison?.extraProbes !== undefined && poison.extraProbes.mean > 0);
  assert.equal(poison.falsePromotions, 0);
  assert.equal(poison.falseMoves, 0);
  assert.ok(poison.mostCandidates > 100 && poison.mostCandidates <= 1_024);
  assert.ok(poison.mostOfTeacher <= 16, 'the network of a teacher reaches 16 slots');
  assert.ok(poison.extraProbes.max <= 200);
});

for (const [title, world] of [
  ['a router that has room for fewer calls than a round makes', { nodes: 60, nat: 50, spread: true }],
  ['20 descriptors', { nodes: 40, descriptors: 20 }],
  ['an uplink that is down 10 of each 30 s', { nodes: 30, flap: { down: 10, every: 30 } }],
  ['an uplink that is down while a neighbour answers', { nodes: 3, uplink: { from: 12, to: 40 } }],
  ['a process that stops for 6 s in each round', { nodes: 20, loss: 0.05, stall: 6 }],
] as const) {
  test(`nobody is held dead because of ${title}`, async (t) => {
    const { verdicts, rounds } = await run({ hours: 0.75, ...world });
    t.diagnostic(`seed ${SEED}: ${rounds.run} rounds, longest ${rounds.longestMs} ms`);
    assert.equal(verdicts.falseDeaths, 0);
  });
}

test('after a partition of four hours one call is enough for both to find each other alive', async (t) => {
  const partition = { from: 30, to: 270 };
  const { verdicts } = await run({ nodes: 8, hours: 6, partition, called: true });
  t.diagnostic(`seed ${SEED}: ${JSON.stringify(verdicts.healingMs)}`);
  assert.ok(verdicts.acrossPartition > 0);
  assert.equal(verdicts.unhealed, 0);
  // Whoever of two has the earlier due time calls; the other one's API tells its scheduler.
  assert.ok(verdicts.healingMs !== undefined && verdicts.healingMs.mean < 20 * 60_000);
});

test('all know all if consumers tell of those that their schedulers have chosen', async (t) => {
  const { allKnowAllMs, knownShare } = await run({ nodes: 12, hours: 1, start: 'star', gossip: 'reply' });
  t.diagnostic(`seed ${SEED}: ${allKnowAllMs} ms`);
  assert.equal(knownShare, 1);
});

test('with a budget of calls everybody gets its turn', async (t) => {
  const nodes = 121;
  const { rounds, longestWaitMs } = await run({ nodes, hours: 1, maxProbes: 100 });
  t.diagnostic(`seed ${SEED}: ${longestWaitMs} ms`);
  assert.ok(rounds.probes <= 100 * rounds.run);
  assert.ok(longestWaitMs > INTERVAL_MS + LONGEST_ROUND_MS, 'the budget is too large to be felt');
  // The first in one pass of two rounds, and the last in the next.
  assert.ok(longestWaitMs <= 3 * INTERVAL_MS + LONGEST_ROUND_MS);
});

test('the same seed gives the same, another one does not', async () => {
  const scenario: Partial<Scenario> = {
    nodes: 12,
    hours: 2,
    start: 'star',
    gossip: 'on',
    loss: 0.05,
    poisoners: 1,
  };
  const eventful = { ...scenario, churn: 0.3, moves: 6 };
  const first = await run(eventful);
  assert.deepEqual(await run(eventful), first);
  const { scenario: _, ...another } = await run({ ...eventful, seed: SEED + 1 });
  assert.notDeepEqual(another, { ...first, scenario: undefined });
});
