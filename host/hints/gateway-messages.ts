import ipaddr from 'ipaddr.js';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';

/** Where a gateway answers NAT-PMP (RFC 6886) and PCP (RFC 6887), and where it sends announcements from. */
export const GATEWAY_PORT = 5351;
/** Where it sends announcements to, at 224.0.0.1. */
export const ANNOUNCEMENT_PORT = 5350;

const NAT_PMP = 0;
const PCP = 2;
/** The bit of the second byte that tells an answer from a question, in both protocols. */
const ANSWER = 0x80;
const EXTERNAL_ADDRESS_BYTES = 12;
/** Up to its epoch an error has all fields, the address that there is not may be missing (RFC 6886, 3.5). */
const NAT_PMP_ERROR_BYTES = 8;
const PCP_HEADER_BYTES = 24;
/** RFC 6887, 7: no message is longer. */
const PCP_MOST_BYTES = 1_100;

/** What a gateway said of itself. */
export interface GatewayState {
  readonly protocol: 'NAT-PMP' | 'PCP';
  /** Seconds since the gateway started, or since it lost its mappings or its external address changed. */
  readonly epochS: number;
  /** Its address on the outer side, if it has one. PCP tells none without making a port mapping. */
  readonly external?: Ip;
}

/** NAT-PMP's question for the external address (RFC 6886, 3.2). */
export const ASK_EXTERNAL_ADDRESS: Buffer = Buffer.of(NAT_PMP, 0);

/** PCP's ANNOUNCE request (RFC 6887, 14.1): it changes nothing, and its answer has the epoch. `from` is our own address. */
export function askForEpoch(from: Ip): Buffer {
  const message = Buffer.alloc(PCP_HEADER_BYTES);
  message[0] = PCP;
  const parsed = ipaddr.parse(from);
  message.set((parsed instanceof ipaddr.IPv4 ? parsed.toIPv4MappedAddress() : parsed).toByteArray(), 8);
  return message;
}

/** Reads an answer or an announcement of either protocol. Undefined for anything else; never throws. */
export function parseGatewayMessage(message: Uint8Array): GatewayState | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (bytes[0] === NAT_PMP) return parseNatPmp(bytes);
  if (bytes[0] === PCP) return parsePcp(bytes);
  return undefined;
}

function parseNatPmp(bytes: Buffer): GatewayState | undefined {
  if (bytes.length < NAT_PMP_ERROR_BYTES || bytes.length > EXTERNAL_ADDRESS_BYTES || bytes[1] !== ANSWER) {
    return undefined;
  }
  const state = { protocol: 'NAT-PMP', epochS: bytes.readUInt32BE(4) } as const;
  // 3, the most frequent error: the gateway has no address of its own yet.
  if (bytes.readUInt16BE(2) !== 0) return state;
  if (bytes.length !== EXTERNAL_ADDRESS_BYTES) return undefined;
  const external = parseIp(bytes.subarray(8).join('.'));
  return external === undefined || external === '0.0.0.0' ? state : { ...state, external };
}

function parsePcp(bytes: Buffer): GatewayState | undefined {
  const whole = bytes.length >= PCP_HEADER_BYTES && bytes.length <= PCP_MOST_BYTES && bytes.length % 4 === 0;
  // Every answer has the epoch, whatever its result: an unknown version or operation is an answer as well.
  if (!whole || ((bytes[1] ?? 0) & ANSWER) === 0) return undefined;
  return { protocol: 'PCP', epochS: bytes.readUInt32BE(8) };
}

/**
 * Whether the gateway has started anew, or has another external address, since it said `before`, `elapsedMs` ago: its
 * epoch is behind what a clock that is an eighth too slow would show by now (RFC 6886, 3.6).
 */
export function hasRestarted(before: GatewayState, after: GatewayState, elapsedMs: number): boolean {
  if (before.protocol !== after.protocol) return false;
  return after.epochS + 2 < before.epochS + (elapsedMs / 1_000) * (7 / 8);
}
