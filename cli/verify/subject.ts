import { randomInt, randomUUID } from 'node:crypto';
import type { Address } from '../../lib/peers/address.ts';
import { type Ip, isThisMachine, parseIp } from '../../lib/peers/ip-space.ts';
import type { Sign } from '../../lib/peers/signing.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import { type Call, type Called, createCall, openStalled } from './caller.ts';
import type { Database } from './database.ts';

/** The peer that is checked, and what the check has at hand. */
export interface Subject {
  readonly address: Address;
  readonly call: Call;
  /** Everything that was called, for the rules about time and size. */
  readonly calls: readonly Called[];
  /** After how long the peer ended a request that never became whole, in ms; undefined if it did not. */
  readonly stalled: Promise<number | undefined>;
  /** Local addresses of this check's own, where the peer is on loopback: it can play several callers. */
  readonly sources: readonly [Ip, Ip, Ip] | undefined;
  /** The peer's test database. */
  readonly database: Database | undefined;
  /** Where the peer calls back. */
  readonly peerPort: number;
  /** A uuid whose public key the peer knows, and how to sign as it. */
  readonly signer: { readonly uuid: Uuid; readonly sign: Sign } | undefined;
  /** What checks leave to each other: the uuid that the peer named, the address that it holds. */
  readonly seen: { uuid?: Uuid };
}

export interface SubjectOptions extends Pick<Subject, 'address' | 'database' | 'peerPort' | 'signer'> {
  readonly deadlineMs: number;
  /** How long a stalled request is waited for. */
  readonly patienceMs: number;
}

export function createSubject({ deadlineMs, patienceMs, ...given }: SubjectOptions): Subject {
  const calls: Called[] = [];
  const call = createCall(given.address, deadlineMs);
  return {
    ...given,
    calls,
    stalled: openStalled(given.address, patienceMs),
    sources: loopbackSources(given.address),
    seen: {},
    async call(path, body, options = {}) {
      const called = await call(path, body, options);
      calls.push(called);
      return called;
    },
  };
}

/** A uuid that nobody has. */
export function newUuid(): Uuid {
  const uuid = parseUuid(randomUUID());
  if (uuid === undefined) throw new Error('randomUUID made no UUID');
  return uuid;
}

/** How many calls a flood has. */
export const FLOOD = 60;
/** A peer may refuse more than 32 connections of one address: a flood makes half as many at a time. */
const AT_ONCE = 16;

/** Makes the calls of a flood, within a second or so. */
export async function flood(call: () => Promise<Called>): Promise<Called[]> {
  const calls: Called[] = [];
  while (calls.length < FLOOD) {
    const count = Math.min(AT_ONCE, FLOOD - calls.length);
    calls.push(...(await Promise.all(Array.from({ length: count }, call))));
  }
  return calls;
}

/** Others at each run, so that the peer's bounds for one address do not go on from the run before. */
function loopbackSources({ ip }: Address): readonly [Ip, Ip, Ip] | undefined {
  if (process.platform !== 'linux' || !isThisMachine(ip) || ip.includes(':')) return undefined;
  const network = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`;
  const [first, second, third] = [1, 2, 3].map((host) => parseIp(`${network}.${host}`));
  return first && second && third ? [first, second, third] : undefined;
}
