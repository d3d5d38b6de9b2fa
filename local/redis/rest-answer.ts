import type { UpstreamReply, UpstreamSlot } from './upstream.ts';

/** What a request to the REST face comes to. */
export type Answer =
  | { readonly status: number; readonly error: string }
  | { readonly status: 200; readonly slot: UpstreamSlot }
  | { readonly status: 200; readonly slots: readonly UpstreamSlot[] };

/** How strings are written: with `base64` each one at every depth is encoded, but for the answer "OK". Errors never are. */
export type Encoding = 'plain' | 'base64';

/** The body of an answer to several commands. */
export function encodeAnswer(slots: readonly UpstreamSlot[], encoding: Encoding): string {
  return `[${slots.map((slot) => encodeSlot(slot, encoding)).join(',')}]`;
}

/** The body of an answer to one command. */
export function encodeSlot(slot: UpstreamSlot, encoding: Encoding): string {
  if ('error' in slot) return JSON.stringify(slot);
  return `{"result":${encodeReply(slot.reply, isOk(slot.reply) ? 'plain' : encoding)}}`;
}

/**
 * The answers in RESP2, one after the other, as a TCP connection would carry them. Which strings were status replies is not
 * known any more: "OK" is written as one, every other as a bulk string.
 */
export function encodeResp2(slots: readonly UpstreamSlot[]): Buffer {
  return Buffer.concat(
    slots.flatMap((slot) => ('error' in slot ? [Buffer.from(`-${slot.error}\r\n`)] : resp2(slot.reply))),
  );
}

function resp2(reply: UpstreamReply): Buffer[] {
  if (reply === null) return [Buffer.from('$-1\r\n')];
  if (typeof reply === 'string') return [Buffer.from(`:${reply}\r\n`)];
  if (reply instanceof Error) return [Buffer.from(`-${reply.message}\r\n`)];
  if (isOk(reply)) return [Buffer.from('+OK\r\n')];
  if (Buffer.isBuffer(reply)) return [Buffer.from(`$${reply.length}\r\n`), reply, Buffer.from('\r\n')];
  return [Buffer.from(`*${reply.length}\r\n`), ...reply.flatMap(resp2)];
}

function isOk(reply: UpstreamReply): boolean {
  return Buffer.isBuffer(reply) && reply.equals(OK);
}

const OK = Buffer.from('OK');

/** Written by hand, so that an integer beyond 2^53 keeps its digits. */
function encodeReply(reply: UpstreamReply, encoding: Encoding): string {
  if (reply === null) return 'null';
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply))
    return JSON.stringify(reply.toString(encoding === 'base64' ? 'base64' : 'utf8'));
  if (reply instanceof Error) return JSON.stringify(reply.message);
  return `[${reply.map((element) => encodeReply(element, encoding)).join(',')}]`;
}
