import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsTool } from '../support/needs-tool.ts';
import { needsRealRedis } from '../support/redis.ts';
import { needsNetwork } from './network.ts';
import { addressChange, everyProducerKnows, formation, impostor, partition } from './scenarios.ts';
import { openPeerNetwork } from './world.ts';

/** The whole table, with 12 consumers and longer times: `npm run network`. */
test('a network of peers in two languages forms, and follows one that moves', {
  ...needsNetwork(),
  ...needsRealRedis(),
  ...needsTool('python3'),
  timeout: 180_000,
}, async (t) => {
  const network = await openPeerNetwork(t, { members: 4, producers: 4, intervalMs: 4_000, checkMs: 3_000 });
  const outcomes = [
    await formation(network),
    await everyProducerKnows(network),
    ...(await addressChange(network)),
    await impostor(2)(network),
    await partition(10_000)(network),
  ];
  for (const { what, result } of outcomes) t.diagnostic(`${what}: ${result}`);
  assert.deepEqual(
    outcomes.filter(({ happened }) => !happened),
    [],
  );
});
