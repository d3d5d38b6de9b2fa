import type { Host, Log } from '../host.ts';
import type { Address, AddressPolicy } from '../peers/address.ts';
import { networkOf } from '../peers/ip-space.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { Candidate, ConsumerEntry, Discovery } from '../store/rounds.ts';
import { type Answer, type ProbeResult, resultFor } from './answer.ts';
import type { Round } from './context.ts';
import { aboutAddress, healthAfterAnswer, stateOf } from './health.ts';
import { NETWORK_BITS, shuffled } from './hearsay.ts';
import type { FailedCall } from './witness.ts';

/** Most candidates that a round probes, and of those in one /24 (v6: /32). */
export const MOST_CANDIDATE_PROBES = 200;
const MOST_IN_NETWORK = 20;
/** Most candidates that become consumers in one round. */
const MOST_PROMOTIONS = 50;
/** Of a limited budget, what candidates may take: strangers who tell of many must not keep us from those we know. */
const BUDGET_SHARE = 0.1;

type GivenAnswer = Exclude<Answer, { kind: 'untried' }>;
type SuccessfulResult = Exclude<ProbeResult, { kind: 'failed' }>;

/** A candidate that is worth a probe. `dead` is the consumer that it would move, if there is one of its uuid. */
interface Chosen {
  readonly candidate: Candidate;
  readonly address: Address;
  readonly dead?: ConsumerEntry;
}

/** Probes candidates, and answers what became of them. */
export type CandidateProbes = (candidates: readonly Candidate[]) => Promise<Discovery[]>;

/**
 * Makes what probes candidates in a round, drawn at random. One becomes a consumer, or moves a dead one, only if what
 * answers at its address names that very uuid. Everything else is a failure, which counts only with a witness. Nothing of a
 * candidate's reply but its uuid is believed. However often it is asked, it keeps the bounds of a round and calls no
 * address twice.
 */
export function createCandidateProbes(round: Round): CandidateProbes {
  const { calls, store, policy, host, findings, witness, invocation, isOurs, time } = round;
  const probes = new Map<string, { readonly answer: GivenAnswer; readonly beganMs: number }>();
  const inNetworks = new Map<string, number>();
  let promotions = 0;

  const callOnce = async (wanted: readonly Chosen[]) => {
    const addresses = new Map(wanted.map(({ address }) => [address.key, address]));
    for (const key of probes.keys()) addresses.delete(key);
    calls.take(addresses.size);
    await Promise.all(
      [...addresses.values()].map(async (address) => {
        const { answer, beganMs } = await calls.probe(address, 'wait');
        if (answer.kind === 'untried') return;
        findings.tally.candidateProbes += 1;
        probes.set(address.key, { answer, beganMs });
      }),
    );
  };

  const becomes = ({ candidate, dead }: Chosen, result: SuccessfulResult): Discovery => {
    const nowMs = round.nowMs();
    const health = healthAfterAnswer(undefined, result, { address: candidate.address, nowMs });
    if (dead === undefined) return { kind: 'promote', candidate, health };
    // The first home stays: who claims a uuid again and again must not make us forget where it belongs.
    const home = dead.health?.home ?? dead.address;
    const moved = { ...health, home, homeDue: nowMs + 2 * time.intervalMs };
    return { kind: 'move', candidate, move: { field: dead.field, from: dead.address, health: moved } };
  };

  return async (candidates) => {
    const most = Math.min(MOST_CANDIDATE_PROBES - probes.size, Math.floor(calls.left * BUDGET_SHARE));
    const { chosen, useless } = chooseCandidates(candidates, {
      policy,
      random: host.random,
      isOurs,
      most,
      inNetworks,
    });
    const uuids = chosen.map(({ candidate }) => candidate.uuid);
    const known = uuids.length === 0 ? [] : await store.findConsumers(uuids);
    const { wanted, superfluous } = sortOut(chosen, known, policy);
    await callOnce(wanted);

    const verified = new Map<Uuid, Discovery>();
    const failed: { readonly candidate: Candidate; readonly call: FailedCall }[] = [];
    for (const probed of wanted) {
      const { candidate, address } = probed;
      const probe = probes.get(address.key);
      if (probe === undefined) continue;
      const result = resultFor(probe.answer, candidate.uuid, true);
      if (result.kind !== 'failed' && result.named) {
        witness.answered(address.ip);
        if (verified.has(candidate.uuid)) superfluous.push(candidate);
        else if (promotions + verified.size < MOST_PROMOTIONS)
          verified.set(candidate.uuid, becomes(probed, result));
      } else {
        const error = result.kind === 'failed' ? result.error : 'wrong-identity';
        failed.push({ candidate, call: { ip: address.ip, error, beganMs: probe.beganMs } });
      }
    }
    promotions += verified.size;
    await witness.askSources(
      failed.map(({ call }) => call),
      invocation.signal,
    );
    const at = round.nowMs();
    return [
      ...verified.values(),
      ...failed
        .filter(({ call }) => ['counted', 'uncounted'].includes(witness.weigh(call)))
        .map(({ candidate }): Discovery => ({ kind: 'failed', candidate, at })),
      ...[...useless, ...superfluous].map((candidate): Discovery => ({ kind: 'drop', candidate })),
    ];
  };
}

/**
 * Hands what was heard to the store, and probes those who became candidates at once if everyone else has been called: so
 * news goes on in each round and not in each second one. What cannot be learned now will be told again.
 */
export async function learn(round: Round, probeCandidates: CandidateProbes, log: Log): Promise<void> {
  const { store, findings, calls, nowMs } = round;
  const { hearsay, discoveries, tally } = findings;
  hearsay.know(
    discoveries.flatMap((each) =>
      each.kind === 'promote' || each.kind === 'move' ? [each.candidate.uuid] : [],
    ),
  );
  try {
    const candidates = await store.learn(hearsay.claims(nowMs()));
    tally.learned += candidates.length;
    if (calls.stopped === undefined) discoveries.push(...(await probeCandidates(candidates)));
  } catch (error) {
    log.warn('What consumers told about others could not be learned; they will tell it again', { error });
  }
}

/** Writes what became of candidates and homes. Answers the fields of consumers whose health it has written. */
export async function settle({ store, findings, calls }: Round): Promise<readonly string[]> {
  const { discoveries, tally, news, introductions } = findings;
  const settled = await store.settle(discoveries);
  if (settled === 'lease-lost') {
    calls.stop('lease');
    return [];
  }
  const { promoted, moved } = settled;
  tally.promoted += promoted.length;
  tally.moved += moved.length;
  for (const discovery of discoveries) {
    if (discovery.kind === 'promote' && promoted.includes(discovery.candidate.uuid)) {
      const { candidate, health } = discovery;
      tally.states.alive += 1;
      introductions.add({ uuid: candidate.uuid, raw: health.address }, health);
      news.add('joined', { uuid: candidate.uuid, address: health.address });
    } else if ('move' in discovery && moved.includes(discovery.move.field)) {
      if (discovery.kind === 'move' && tally.states.dead > 0) {
        tally.states.dead -= 1;
        tally.states.alive += 1;
      }
      news.add('moved', { uuid: discovery.move.field.toLowerCase(), address: discovery.move.health.address });
    }
  }
  return [...promoted, ...moved];
}

/** Draws those that a round probes. What cannot be used, or is ourselves, is useless. */
export function chooseCandidates(
  candidates: readonly Candidate[],
  {
    policy,
    random,
    isOurs,
    inNetworks,
    most,
  }: {
    policy: AddressPolicy;
    random: Host['random'];
    isOurs: (uuid: Uuid, address: Address) => boolean;
    /** How many of each network were chosen before. */
    inNetworks: Map<string, number>;
    most: number;
  },
): { chosen: Chosen[]; useless: Candidate[] } {
  const chosen: Chosen[] = [];
  const useless: Candidate[] = [];
  for (const candidate of shuffled(candidates, random)) {
    const parsed = policy.parse(candidate.address);
    if ('refused' in parsed || isOurs(candidate.uuid, parsed.address)) {
      useless.push(candidate);
      continue;
    }
    const network = networkOf(parsed.address.ip, NETWORK_BITS);
    const already = inNetworks.get(network) ?? 0;
    if (chosen.length >= most || already >= MOST_IN_NETWORK) continue;
    inNetworks.set(network, already + 1);
    chosen.push({ candidate, address: parsed.address });
  }
  return { chosen, useless };
}

/** Parts those that are worth a probe from those about a consumer that is known there, or not dead where it is. */
function sortOut(
  chosen: readonly Chosen[],
  known: readonly ConsumerEntry[],
  policy: AddressPolicy,
): { wanted: Chosen[]; superfluous: Candidate[] } {
  const byUuid = new Map(known.map((entry) => [entry.field.toLowerCase(), entry]));
  const wanted: Chosen[] = [];
  const superfluous: Candidate[] = [];
  for (const probed of chosen) {
    const entry = byUuid.get(probed.candidate.uuid);
    if (entry === undefined) wanted.push(probed);
    else if (isDeadElsewhere(entry, probed.address, policy)) wanted.push({ ...probed, dead: entry });
    else superfluous.push(probed.candidate);
  }
  return { wanted, superfluous };
}

function isDeadElsewhere(entry: ConsumerEntry, address: Address, policy: AddressPolicy): boolean {
  const known = policy.parse(entry.address);
  if ('refused' in known || known.address.key === address.key) return false;
  return stateOf(aboutAddress(entry.health, entry.address, known.address, policy)) === 'dead';
}
