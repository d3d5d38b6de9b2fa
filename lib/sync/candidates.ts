import { RedisReplyError } from '../errors.ts';
import { parseUuid } from '../peers/uuid.ts';
import type { Reply, ScriptCall } from '../redis/redis.ts';
import { candidatesPart } from './budget.ts';
import {
  type Candidate,
  chooseCandidates,
  DROPPED_AFTER_FAILURES,
  encodeCandidate,
  MOST_PROMOTIONS,
  type UselessCandidate,
} from './candidate.ts';
import type { RoundContext } from './context.ts';
import { decodeHealth, encodeHealth, nextHealth, stateOf } from './health.ts';
import { type Answer, type ProbeResult, readAnswer } from './outcome.ts';
import { SETTLE_CANDIDATES } from './settle.lua.ts';

/** What becomes of a candidate. `move` names what the dead consumer's entry and health must still be. */
type Fate =
  | { readonly kind: 'promote'; readonly result: ProbeResult }
  | ({ readonly kind: 'move'; readonly result: ProbeResult } & DeadConsumer)
  | { readonly kind: 'keep' | 'drop' };

/** The consumer that a candidate would move: its field in `consumers`, what stands there, and its health. */
interface DeadConsumer {
  readonly field: string;
  readonly raw: string;
  readonly health: string;
}

/** A candidate that is worth a probe: of an unknown uuid, or of one whose consumer is dead at another address. */
interface Probed extends Candidate {
  readonly dead?: DeadConsumer;
}

/**
 * Probes candidates, given as the flat list that Redis holds. One becomes a consumer, or moves a dead one, only if what
 * answers at its address names that very uuid; a failure is counted, and the third drops it. If all fail because our own
 * network is down, nothing is counted.
 *
 * @throws RedisUnavailableError, RedisReplyError
 */
export async function probeCandidates(flat: readonly Reply[], context: RoundContext): Promise<void> {
  const { chosen, useless } = chooseCandidates(flat, { ...context, most: candidatesPart(context.budget) });
  if (chosen.length + useless.length === 0) return;
  const { wanted, superfluous } = await sortOut(chosen, context);
  const answers = await callAll(wanted, context);

  const fates = new Map<Probed, Fate>();
  let verified = 0;
  for (const candidate of wanted) {
    const answer = answers.get(candidate.address.key) ?? { kind: 'unprobed' };
    if (answer.kind === 'unprobed') continue;
    if (answer.kind === 'answered' && answer.reply.names === candidate.uuid) {
      verified += 1;
      if (verified > MOST_PROMOTIONS) continue;
      fates.set(
        candidate,
        candidate.dead === undefined
          ? { kind: 'promote', result: answer.result }
          : { kind: 'move', result: answer.result, ...candidate.dead },
      );
    } else {
      const failures = candidate.record.failures + 1;
      fates.set(candidate, { kind: failures < DROPPED_AFTER_FAILURES ? 'keep' : 'drop' });
    }
  }
  if (verified > 0) context.progress.lastSuccessMs = context.host.monotonicMs();
  else if (fates.size > 0 && (await context.outage.isOurs(context.invocation.signal))) fates.clear();
  await settle(fates, [...useless, ...superfluous], context);
}

/** Parts those that are worth a probe from those about a consumer that is known there, or not dead where it is. */
async function sortOut(
  chosen: readonly Candidate[],
  { redis, keys, policy, nowMs: now }: RoundContext,
): Promise<{ wanted: Probed[]; superfluous: Candidate[] }> {
  if (chosen.length === 0) return { wanted: [], superfluous: [] };
  // The API may spell a UUID in capitals.
  const fields = chosen.flatMap(({ uuid }) => [uuid, uuid.toUpperCase()]);
  const [consumers, healths] = await redis.send(
    [
      ['HMGET', keys.consumers, ...fields],
      ['HMGET', keys.health, ...fields],
    ],
    { repeatable: true },
  );
  if (consumers instanceof RedisReplyError) throw consumers;
  if (healths instanceof RedisReplyError) throw healths;

  const nowMs = now();
  const wanted: Probed[] = [];
  const superfluous: Candidate[] = [];
  for (const [index, candidate] of chosen.entries()) {
    const at = [2 * index, 2 * index + 1].find((i) => typeof element(consumers, i) === 'string');
    if (at === undefined) {
      wanted.push(candidate);
      continue;
    }
    const raw = String(element(consumers, at));
    const health = element(healths, at);
    const known = policy.parse(raw);
    const dead =
      'address' in known &&
      known.address.key !== candidate.address.key &&
      stateOf(decodeHealth(health, nowMs), known.address.key) === 'dead';
    if (dead)
      wanted.push({
        ...candidate,
        dead: { field: fields[at] ?? candidate.uuid, raw, health: String(health) },
      });
    else superfluous.push(candidate);
  }
  return { wanted, superfluous };
}

function element(reply: Reply | undefined, index: number): Reply | undefined {
  return Array.isArray(reply) ? reply[index] : undefined;
}

/** One call an address, however many candidates are there. */
async function callAll(wanted: readonly Probed[], context: RoundContext): Promise<Map<string, Answer>> {
  const { pool, probe, policy, tally, heard, budget, isOurs } = context;
  const answers = new Map<string, Answer>();
  const addresses = new Map(wanted.map((candidate) => [candidate.address.key, candidate]));
  budget.take(addresses.size);
  await Promise.all(
    [...addresses.values()].map(({ address, record }) =>
      pool.run(async () => {
        tally.candidateProbes += 1;
        const answer = readAnswer(await probe(address), policy);
        answers.set(address.key, answer);
        const names = answer.kind === 'answered' ? answer.reply.names : undefined;
        if (names === undefined || names === 'unreadable' || isOurs(names, address)) return;
        const expected = wanted.some(({ uuid, address: { key } }) => uuid === names && key === address.key);
        const from = parseUuid(record.from);
        if (!expected && from !== undefined) heard.add({ uuid: names, address, raw: address.key, from });
      }),
    ),
  );
  return answers;
}

async function settle(
  fates: ReadonlyMap<Probed, Fate>,
  useless: readonly UselessCandidate[],
  context: RoundContext,
): Promise<void> {
  if (fates.size + useless.length === 0) return;
  const { keys, hold, part, tally } = context;
  const call: ScriptCall = {
    script: SETTLE_CANDIDATES,
    keys: [keys.lease(`sync:${part.shard}`), keys.consumers, keys.health, keys.candidates],
    args: [
      hold.token,
      ...[...fates].flatMap(([candidate, fate]) => fateArgs(candidate, fate, context)),
      ...useless.flatMap(({ uuid, json }) => ['drop', uuid, json, '', '', '', '', '']),
    ],
  };
  const reply = await hold.send(call, (answer) => element(answer, 0) === 1);
  const promoted = lengthOf(element(reply, 1));
  const moved = lengthOf(element(reply, 2));
  tally.promoted += promoted;
  tally.moved += moved;
  tally.states.alive += promoted + moved;
}

function fateArgs(candidate: Probed, fate: Fate, { nowMs: now, host, time }: RoundContext): string[] {
  const { uuid, json, address, record } = candidate;
  const nowMs = now();
  const healthAfter = (result: ProbeResult) =>
    encodeHealth(
      nextHealth(undefined, result, {
        address: address.key,
        nowMs,
        intervalMs: time.intervalMs,
        random: host.random(),
      }),
    );
  switch (fate.kind) {
    case 'promote':
      return ['promote', uuid, json, record.address, healthAfter(fate.result), '', '', ''];
    case 'move':
      return [
        'move',
        uuid,
        json,
        record.address,
        healthAfter(fate.result),
        fate.field,
        fate.raw,
        fate.health,
      ];
    case 'keep': {
      const failed = { ...record, at: nowMs, failures: record.failures + 1 };
      return ['keep', uuid, json, encodeCandidate(failed), '', '', '', ''];
    }
    case 'drop':
      return ['drop', uuid, json, '', '', '', '', ''];
  }
}

function lengthOf(reply: Reply | undefined): number {
  return Array.isArray(reply) ? reply.length : 0;
}
