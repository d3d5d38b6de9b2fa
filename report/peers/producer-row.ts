import type { Epoch } from '../../lib/ip/register.ts';
import type { AddressPolicy } from '../../lib/peers/address.ts';
import { parsePeerRecord, type RecordRefusal } from '../../lib/peers/registry.ts';
import { type Delivery, decodeDelivery } from '../../lib/store/delivery-record.ts';

/**
 * `told`: knows the present address. `again`: knows it, and is told once more because an older address may still arrive.
 * `telling`: is being called. `waiting`: is due and was not tried yet. `retrying`: the last attempt failed. `missing`: has a
 * delivery, and `producers` does not hold it. `new`: has not been told the present address and is not due: it hears of the
 * next change. `unusable`: nobody we may call.
 */
export const PRODUCER_STATES = [
  'told',
  'again',
  'telling',
  'waiting',
  'retrying',
  'missing',
  'new',
  'unusable',
] as const;
export type ProducerState = (typeof PRODUCER_STATES)[number];

/** One entry of `producers`, or a delivery without one. `uuid` and `address` are as Redis holds them. */
export interface ProducerRow {
  readonly uuid: string;
  readonly address?: string;
  readonly state: ProducerState;
  readonly refused?: RecordRefusal;
  readonly delivery: Delivery;
  /** When it is looked at again. */
  readonly due?: number;
}

/** Redis's record of one producer: its fields in `producers`, `deliveries` and `deliveries:due`. */
export interface ProducerRecord {
  readonly uuid: string;
  readonly address: unknown;
  readonly json: unknown;
  readonly score: unknown;
}

export interface ProducerRules {
  readonly policy: AddressPolicy;
  readonly epoch: Epoch | undefined;
  readonly nowMs: number;
}

/** Pure; never throws. */
export function producerRow(
  { uuid, address, json, score }: ProducerRecord,
  rules: ProducerRules,
): ProducerRow {
  const delivery = decodeDelivery(json);
  const due = score === null || score === undefined ? Number.NaN : Number(score);
  const row = { uuid, delivery, ...(Number.isNaN(due) ? {} : { due }) };
  if (typeof address !== 'string') return { ...row, state: 'missing' };
  const parsed = parsePeerRecord(uuid, address, rules.policy);
  if ('refused' in parsed) return { ...row, address, state: 'unusable', refused: parsed.refused };
  return { ...row, address, state: stateOf(delivery, !Number.isNaN(due), rules) };
}

function stateOf(delivery: Delivery, isDue: boolean, { epoch, nowMs }: ProducerRules): ProducerState {
  const told = epoch !== undefined && delivery.ackedEpoch === epoch;
  if (!isDue) return told ? 'told' : 'new';
  if (delivery.lease !== undefined && (delivery.leaseEnd ?? 0) > nowMs) return 'telling';
  if (told) return 'again';
  // What was counted before the present change is another change's.
  const tried = delivery.leaseEpoch === epoch && (delivery.attempts ?? 0) > 0;
  return tried ? 'retrying' : 'waiting';
}
