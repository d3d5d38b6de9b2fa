import { RedisReplyError } from '../../lib/errors.ts';
import type { Reply } from '../../lib/redis/redis.ts';

/** A reply, or what Redis answered in its place. */
export type Answered = Reply | RedisReplyError | undefined;

/** A flat list of names and values as a map; anything else is empty. */
export function fieldsOf(reply: Answered): ReadonlyMap<string, string> {
  const flat = listOf(reply);
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(String(flat[i]), String(flat[i + 1]));
  return fields;
}

export function listOf(reply: Answered): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

/** A count as Redis answers it; 0 for anything else. */
export function countOf(reply: Answered): number {
  return typeof reply === 'number' ? reply : 0;
}

/** The entries of a stream's reply, as they come. */
export function entriesOf(reply: Answered): ReadonlyMap<string, string>[] {
  return listOf(reply).flatMap((entry) => (Array.isArray(entry) ? [fieldsOf(entry[1])] : []));
}

/** A time or number of at most 15 digits, which is what we write; undefined for anything else. */
export function wholeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** @throws RedisReplyError what Redis answered in place of a reply. */
export function orThrow(reply: Answered): Reply {
  if (reply instanceof RedisReplyError) throw reply;
  return reply ?? null;
}

/** Whether the key holds another type than ours. @throws RedisReplyError for every other error. */
export function isWrongType(reply: Answered): boolean {
  if (!(reply instanceof RedisReplyError)) return false;
  if (reply.code !== 'WRONGTYPE') throw reply;
  return true;
}
