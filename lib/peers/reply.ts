import type { Address, AddressPolicy } from './address.ts';
import { type Ip, parseIp, unmapped } from './ip-space.ts';
import { parsePeerRecord } from './registry.ts';
import { parseUuid, type Uuid } from './uuid.ts';

/** Of a reply's `consumers`, the most that are looked at, usable or not. */
export const MAX_HEARD = 50;

/** A consumer that a peer introduced: hearsay, which makes a candidate and nothing more. */
export interface Heard {
  readonly uuid: Uuid;
  readonly address: Address;
  /** The address in canonical spelling, fit to be stored: with a port only where the peer gave one. */
  readonly raw: string;
}

/** What a 2xx reply to `/sync` says. A stranger wrote it; no string of it is kept in the stranger's own spelling. */
export interface SyncReply {
  /**
   * Who answers there. Absent if the reply does not say, which is fine: the field is our extension of the protocol.
   * `unreadable` is a `uuid` that is none (null counts as absent): whoever claims an identity that we cannot read is not
   * the one that we expected, so that comparing this with the expected uuid is all that a caller has to do.
   */
  readonly names?: Uuid | 'unreadable';
  /** In the peer's order, each uuid once (the first), at most `MAX_HEARD`. */
  readonly heard: readonly Heard[];
  /** What the peer says about us; absent if it says nothing usable. */
  readonly you?: { readonly ip?: Ip; readonly answers?: boolean };
}

const NOTHING: SyncReply = { heard: [] };

/**
 * Reads the body of a reply to `/sync`. Never throws: a body that is no JSON object says nothing. The caller has capped
 * its size, which bounds the work here.
 */
export function parseSyncReply(body: Buffer, policy: AddressPolicy): SyncReply {
  // Most peers send no body, and to parse nothing costs more than the rest of reading their answer.
  const reply = body.length === 0 ? undefined : parseObject(body);
  if (reply === undefined) return NOTHING;
  const claimed = own(reply, 'uuid');
  const you = parseYou(own(reply, 'you'));
  return {
    ...(claimed === undefined || claimed === null ? {} : { names: parseUuid(claimed) ?? 'unreadable' }),
    ...(you === undefined ? {} : { you }),
    heard: parseConsumers(own(reply, 'consumers'), policy),
  };
}

function parseYou(you: unknown): SyncReply['you'] {
  if (!isObject(you)) return undefined;
  const [seen, answers] = [own(you, 'ip'), own(you, 'answers')];
  const ip = parseIp(seen);
  return {
    // An address of ours may come mapped into IPv6, as a server on a dual-stack socket sees it.
    ...(ip === undefined ? {} : { ip: unmapped(ip) }),
    ...(typeof answers === 'boolean' ? { answers } : {}),
  };
}

function parseConsumers(consumers: unknown, policy: AddressPolicy): readonly Heard[] {
  if (!Array.isArray(consumers)) return [];
  const heard = new Map<Uuid, Heard>();
  for (const entry of consumers.slice(0, MAX_HEARD)) {
    if (!isObject(entry)) continue;
    const parsed = parsePeerRecord(own(entry, 'uuid'), own(entry, 'ip'), policy);
    if ('refused' in parsed || heard.has(parsed.record.uuid)) continue;
    const { uuid, address, raw } = parsed.record;
    heard.set(uuid, { uuid, address, raw: canonicalSpelling(address, raw) });
  }
  return [...heard.values()];
}

/** How an address is stored. Without a port of its own it goes on meaning `PEER_PORT`, also after that was changed. */
export function canonicalSpelling(address: Address, raw: string): string {
  return parseIp(raw) !== undefined || raw.endsWith(']') ? address.ip : address.key;
}

/**
 * A body that cannot be an object is not parsed: most peers answer a word or nothing, and an exception is dear. Some
 * servers put a byte order mark before everything that they send (RFC 8259, 8.1, lets a reader skip it).
 */
function parseObject(body: Buffer): object | undefined {
  const text = body.toString().replace(/^\ufeff/, '');
  if (!/^[ \t\r\n]*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field of its own, so that neither `__proto__` in a reply nor a polluted prototype adds one. */
function own(object: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(object, name)?.value;
}
