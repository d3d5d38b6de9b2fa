/** `npm run network`: a real network of peers in network namespaces, and what comes of its troubles. Needs root. */
import { parseArgs } from 'node:util';
import { missingForNetwork } from './network.ts';
import {
  addressChange,
  everyProducerKnows,
  formation,
  frozenRedis,
  impostor,
  isolation,
  killed,
  liar,
  type Outcome,
  partition,
  twoMoveAtOnce,
} from './scenarios.ts';
import { openPeerNetwork } from './world.ts';

const { values } = parseArgs({
  options: {
    members: { type: 'string', default: '12' },
    producers: { type: 'string', default: '10' },
    /** Seconds between rounds, and between checks. */
    interval: { type: 'string', default: '60' },
    check: { type: 'string', default: '20' },
    /** Minutes that the halves are apart. */
    partition: { type: 'string', default: '15' },
    /** A comma list of troubles; a network that forms is always the first. */
    only: { type: 'string' },
  },
});
const missing = missingForNetwork();
if (missing !== undefined) {
  console.error(`This needs ${missing}.`);
  process.exit(1);
}

const ends: (() => unknown)[] = [];
const endAll = async () => {
  for (const end of ends.splice(0).reverse()) await end();
};
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    interrupted = true;
    await endAll();
    process.exit(130);
  });
}
const network = await openPeerNetwork(
  { after: (end) => ends.push(end) },
  {
    members: Number(values.members),
    producers: Number(values.producers),
    intervalMs: Number(values.interval) * 1_000,
    checkMs: Number(values.check) * 1_000,
  },
);
const apartMs = Number(values.partition) * 60_000;
let missed = 0;
const tell = (outcomes: readonly Outcome[]) => {
  for (const { what, target, result, reached } of outcomes) {
    console.log(`| ${what} | ${target} | ${result} | ${reached ? 'yes' : '**no**'} |`);
    if (!reached) missed += 1;
  }
};
console.log(
  `${values.members} consumers, ${values.producers} producers, a round each ${values.interval} s, a check each ${values.check} s\n`,
);
console.log('| what happens | target | result | reached |\n| --- | --- | --- | --- |');
const troubles: Readonly<Record<string, () => Promise<Outcome | Outcome[]>>> = {
  change: () => addressChange(network),
  moves: () => twoMoveAtOnce(network),
  kill: () => killed(network),
  frozen: () => frozenRedis(3 * network.intervalMs)(network),
  impostor: () => impostor(5)(network),
  liar: () => liar(5)(network),
  isolation: () => isolation(apartMs)(network),
  partition: () => partition(apartMs)(network),
};
const chosen = values.only?.split(',') ?? Object.keys(troubles);
try {
  tell([await formation(network), await everyProducerKnows(network)]);
  for (const name of chosen) tell([(await troubles[name]?.()) ?? []].flat());
} catch (error) {
  // What was under way failed because everything was ended under it.
  if (interrupted) await new Promise(() => {});
  throw error;
} finally {
  await endAll();
}
process.exit(missed === 0 ? 0 : 1);
