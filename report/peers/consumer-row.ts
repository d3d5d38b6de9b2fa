import type { AddressPolicy } from '../../lib/peers/address.ts';
import { parsePeerRecord, type RecordRefusal } from '../../lib/peers/registry.ts';
import type { Uuid } from '../../lib/peers/uuid.ts';
import { decodeHealth, type HealthRecord } from '../../lib/store/health-record.ts';
import { aboutAddress, probedAt } from '../../lib/sync/health.ts';
import type { DayHistory } from '../days.ts';
import { isStale } from '../read/stale.ts';

/** `unknown` is what was found out too long ago; `self` ourselves; `unusable` an entry that is nobody we may call. */
export const CONSUMER_STATES = ['alive', 'suspect', 'dead', 'new', 'unknown', 'self', 'unusable'] as const;
export type ConsumerState = (typeof CONSUMER_STATES)[number];

/** One entry of `consumers` with what is known about it. `uuid` and `address` are as Redis holds them. */
export interface ConsumerRow {
  readonly uuid: string;
  readonly address: string;
  readonly state: ConsumerState;
  readonly refused?: RecordRefusal;
  readonly health?: HealthRecord;
  /** Its worst state of each day, where that was read. */
  readonly days?: DayHistory;
}

export interface ConsumerRules {
  readonly policy: AddressPolicy;
  readonly localUuid: Uuid;
  readonly intervalMs: number;
  readonly nowMs: number;
}

/** Judges one entry of `consumers` by its record in `consumers:health`. Pure; never throws. */
export function consumerRow(uuid: string, address: string, json: unknown, rules: ConsumerRules): ConsumerRow {
  const { policy, localUuid, intervalMs, nowMs } = rules;
  const parsed = parsePeerRecord(uuid, address, policy);
  if ('refused' in parsed && parsed.refused === 'self') return { uuid, address, state: 'self' };
  if ('refused' in parsed) return { uuid, address, state: 'unusable', refused: parsed.refused };
  if (parsed.record.uuid === localUuid) return { uuid, address, state: 'self' };
  const health = aboutAddress(decodeHealth(json, nowMs), address, parsed.record.address, policy);
  if (health === undefined) return { uuid, address, state: 'new' };
  // Whoever is left alone until a later time is not looked at before it, and that is in order.
  const lookedAt = Math.max(probedAt(health), health.due ?? 0);
  const known = lookedAt > nowMs || !isStale(lookedAt, intervalMs, nowMs);
  return { uuid, address, state: known ? health.state : 'unknown', health };
}
