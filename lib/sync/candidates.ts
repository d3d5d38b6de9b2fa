import type { Host } from '../host.ts';
import type { Address, AddressPolicy } from '../peers/address.ts';
import { networkOf } from '../peers/network.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { HealthRecord } from '../store/health-record.ts';
import type { Candidate, ConsumerEntry, Discovery } from '../store/rounds.ts';
import { type Answer, resultFor } from './answer.ts';
import type { Round } from './context.ts';
import { aboutAddress, healthAfterAnswer, stateOf } from './health.ts';
import { shuffled } from './hearsay.ts';
import type { FailedCall } from './witness.ts';

/** Most candidates that a round probes, and of those in one /24 (v6: /32). */
export const MOST_CANDIDATE_PROBES = 200;
const MOST_IN_NETWORK = 20;
const NETWORK_BITS = { 4: 24, 6: 32 } as const;
/** Most candidates that become consumers in one round. */
const MOST_PROMOTIONS = 50;
/** Of a limited budget, what candidates may take: strangers who tell of many must not keep us from those we know. */
const BUDGET_SHARE = 0.1;

/** A candidate that is worth a probe. `dead` is the consumer that it would move, if there is one of its uuid. */
interface Probed {
  readonly candidate: Candidate;
  readonly address: Address;
  readonly dead?: ConsumerEntry;
}

/**
 * Probes candidates, drawn at random. One becomes a consumer, or moves a dead one, only if what answers at its address
 * names that very uuid. Everything else is a failure, which counts only with a witness. Nothing of a candidate's reply but
 * its uuid is believed.
 */
export async function probeCandidates(candidates: readonly Candidate[], round: Round): Promise<Discovery[]> {
  const { calls, store, policy, host, findings, witness, invocation, time } = round;
  const most = Math.min(MOST_CANDIDATE_PROBES, Math.floor(calls.left * BUDGET_SHARE));
  const { chosen, useless } = chooseCandidates(candidates, {
    policy,
    random: host.random,
    most,
    isOurs: round.isOurs,
  });
  const known =
    chosen.length === 0 ? [] : await store.findConsumers(chosen.map(({ candidate }) => candidate.uuid));
  const { wanted, superfluous } = sortOut(chosen, known, policy);

  const addresses = new Map(wanted.map(({ address }) => [address.key, address]));
  calls.take(addresses.size);
  const answers = new Map<string, Answer>();
  const failures = new Map<string, FailedCall>();
  await Promise.all(
    [...addresses.values()].map(async (address) => {
      const { answer, beganMs } = await calls.probe(address);
      if (answer.kind === 'untried') return;
      findings.tally.candidateProbes += 1;
      answers.set(address.key, answer);
      const error = answer.kind === 'failed' ? answer.error : 'wrong-identity';
      failures.set(address.key, { ip: address.ip, error, beganMs });
    }),
  );

  const verified: Probed[] = [];
  const failed: Probed[] = [];
  for (const probed of wanted) {
    const answer = answers.get(probed.address.key);
    if (answer?.kind === 'answered' && answer.reply.names === probed.candidate.uuid) verified.push(probed);
    else if (answer !== undefined) failed.push(probed);
  }
  for (const { address } of verified) witness.answered(address.ip);
  const failedCalls = failed.flatMap(({ address }) => failures.get(address.key) ?? []);
  await witness.askSources(failedCalls, invocation.signal);

  const nowMs = round.nowMs();
  const healthOf = ({ candidate, address }: Probed): HealthRecord | undefined => {
    const answer = answers.get(address.key);
    const result =
      answer === undefined || answer.kind === 'untried'
        ? undefined
        : resultFor(answer, candidate.uuid, false);
    if (result === undefined || result.kind === 'failed') return undefined;
    return healthAfterAnswer(undefined, result, { address: candidate.address, nowMs });
  };
  return [
    ...verified.slice(0, MOST_PROMOTIONS).flatMap((probed): Discovery[] => {
      const { candidate, dead } = probed;
      const health = healthOf(probed);
      if (health === undefined) return [];
      if (dead === undefined) return [{ kind: 'promote', candidate, health }];
      // The first home stays: who claims a uuid again and again must not make us forget where it belongs.
      const home = dead.health?.home ?? dead.address;
      const moved = { ...health, home, homeDue: nowMs + 2 * time.intervalMs };
      return [{ kind: 'move', candidate, move: { field: dead.field, from: dead.address, health: moved } }];
    }),
    ...failed.flatMap(({ candidate, address }): Discovery[] => {
      const call = failures.get(address.key);
      const weight = call === undefined ? 'no-witness' : witness.weigh(call);
      return weight.startsWith('no-') ? [] : [{ kind: 'failed', candidate, at: nowMs }];
    }),
    ...[...useless, ...superfluous].map((candidate): Discovery => ({ kind: 'drop', candidate })),
  ];
}

/** Draws those that a round probes. What cannot be used, or is ourselves, is useless. */
export function chooseCandidates(
  candidates: readonly Candidate[],
  {
    policy,
    random,
    isOurs,
    most,
  }: {
    policy: AddressPolicy;
    random: Host['random'];
    isOurs: (uuid: Uuid, address: Address) => boolean;
    most: number;
  },
): { chosen: Probed[]; useless: Candidate[] } {
  const chosen: Probed[] = [];
  const useless: Candidate[] = [];
  const inNetwork = new Map<string, number>();
  for (const candidate of shuffled(candidates, random)) {
    const parsed = policy.parse(candidate.address);
    if ('refused' in parsed || isOurs(candidate.uuid, parsed.address)) {
      useless.push(candidate);
      continue;
    }
    const network = networkOf(parsed.address.ip, NETWORK_BITS);
    const held = inNetwork.get(network) ?? 0;
    if (chosen.length >= most || held >= MOST_IN_NETWORK) continue;
    inNetwork.set(network, held + 1);
    chosen.push({ candidate, address: parsed.address });
  }
  return { chosen, useless };
}

/** Parts those that are worth a probe from those about a consumer that is known there, or not dead where it is. */
function sortOut(
  chosen: readonly Probed[],
  known: readonly ConsumerEntry[],
  policy: AddressPolicy,
): { wanted: Probed[]; superfluous: Candidate[] } {
  const byUuid = new Map(known.map((entry) => [entry.field.toLowerCase(), entry]));
  const wanted: Probed[] = [];
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
