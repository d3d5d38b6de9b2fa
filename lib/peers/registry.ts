import type { Address, AddressPolicy, AddressRefusal } from './address.ts';
import { parseUuid, type Uuid } from './uuid.ts';

/** A usable entry of `consumers` or `producers`. */
export interface PeerRecord {
  readonly uuid: Uuid;
  readonly address: Address;
  /** The hash field as it is spelled in Redis: what HGET needs. It may be a UUID in capitals. */
  readonly field: string;
  /** The very string that Redis holds: what a script compares. */
  readonly raw: string;
}

/** Why an entry is skipped and counted. It holds none of the entry's bytes, so it may be logged. */
export type RecordRefusal = 'not-a-uuid' | AddressRefusal;

/** Reads one entry of a uuid → address hash, which may hold anything. Pure; never throws. */
export function parsePeerRecord(
  field: unknown,
  raw: unknown,
  policy: AddressPolicy,
): { readonly record: PeerRecord } | { readonly refused: RecordRefusal } {
  const uuid = parseUuid(field);
  if (uuid === undefined) return { refused: 'not-a-uuid' };
  const parsed = policy.parse(raw);
  if ('refused' in parsed) return parsed;
  return { record: { uuid, address: parsed.address, field: String(field), raw: String(raw) } };
}
