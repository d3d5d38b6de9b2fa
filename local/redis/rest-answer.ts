import type { UpstreamReply, UpstreamSlot } from './upstream.ts';

/** What a request to the REST face comes to. */
export type Answer =
  | { readonly status: number; readonly error: string }
  | { readonly status: 200; readonly slot: UpstreamSlot }
  | { readonly status: 200; readonly slots: readonly UpstreamSlot[] };

/** With `base64` every string at every depth is base64; errors, numbers and null are plain either way. */
export type Encoding = 'plain' | 'base64';

/** The body of an answer to several commands. */
export function encodeAnswer(slots: readonly UpstreamSlot[], encoding: Encoding): string {
  return `[${slots.map((slot) => encodeSlot(slot, encoding)).join(',')}]`;
}

/** The body of an answer to one command. */
export function encodeSlot(slot: UpstreamSlot, encoding: Encoding): string {
  return 'error' in slot ? JSON.stringify(slot) : `{"result":${encodeReply(slot.reply, encoding)}}`;
}

/** Written by hand, so that an integer beyond 2^53 keeps its digits. */
function encodeReply(reply: UpstreamReply, encoding: Encoding): string {
  if (reply === null) return 'null';
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply))
    return JSON.stringify(reply.toString(encoding === 'base64' ? 'base64' : 'utf8'));
  if (reply instanceof Error) return JSON.stringify(reply.message);
  return `[${reply.map((element) => encodeReply(element, encoding)).join(',')}]`;
}
