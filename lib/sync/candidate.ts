import * as v from 'valibot';
import type { Address, AddressPolicy } from '../peers/address.ts';
import { parseUuid, type Uuid } from '../peers/uuid.ts';
import type { Reply } from '../redis/redis.ts';

/** A consumer that we only heard of, as Redis holds it. */
export interface CandidateRecord {
  readonly address: string;
  /** The consumer that told us. */
  readonly from: string;
  /** When it was heard of or last probed, by Redis's clock. */
  readonly at: number;
  readonly failures: number;
}

/** A candidate that may be probed. */
export interface Candidate {
  readonly uuid: Uuid;
  readonly address: Address;
  readonly record: CandidateRecord;
  /** The very string that Redis holds: what a script compares. */
  readonly json: string;
}

/** A candidate that is of no use any more. */
export interface UselessCandidate {
  readonly uuid: string;
  readonly json: string;
}

export const MOST_CANDIDATE_PROBES = 200;
export const MOST_PROMOTIONS = 50;
export const DROPPED_AFTER_FAILURES = 3;
const LONGEST_JSON = 1_000;

export function encodeCandidate(record: CandidateRecord): string {
  return JSON.stringify(record);
}

/**
 * Of all candidates, as a flat list of uuid and JSON, those that a round probes: at most 200, those that waited longest
 * first. What cannot be used, or is ourselves, is useless. `most` lowers the 200.
 */
export function chooseCandidates(
  flat: readonly Reply[],
  {
    policy,
    isOurs,
    most = MOST_CANDIDATE_PROBES,
  }: { policy: AddressPolicy; isOurs: (uuid: Uuid, address: Address) => boolean; most?: number },
): { chosen: Candidate[]; useless: UselessCandidate[] } {
  const usable: Candidate[] = [];
  const useless: UselessCandidate[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const field = String(flat[i]);
    const json = String(flat[i + 1]);
    const candidate = readCandidate(field, json, policy);
    if (candidate === undefined || isOurs(candidate.uuid, candidate.address)) {
      useless.push({ uuid: field, json });
    } else {
      usable.push(candidate);
    }
  }
  return {
    chosen: usable.sort((a, b) => a.record.at - b.record.at).slice(0, Math.min(most, MOST_CANDIDATE_PROBES)),
    useless: useless.slice(0, MOST_CANDIDATE_PROBES),
  };
}

function readCandidate(field: string, json: string, policy: AddressPolicy): Candidate | undefined {
  const uuid = parseUuid(field);
  const record = decodeCandidate(json);
  if (uuid !== field || uuid === undefined || record === undefined) return undefined;
  const parsed = policy.parse(record.address);
  return 'refused' in parsed ? undefined : { uuid, address: parsed.address, record, json };
}

const RECORD = v.object({
  address: v.string(),
  from: v.string(),
  at: v.number(),
  failures: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

/** Reads what Redis holds, which may be anything: undefined unless it is a record of ours. */
export function decodeCandidate(json: string): CandidateRecord | undefined {
  if (json.length > LONGEST_JSON) return undefined;
  try {
    const parsed = v.safeParse(RECORD, JSON.parse(json));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
