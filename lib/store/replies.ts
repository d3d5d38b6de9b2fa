import { RedisReplyError } from '../errors.ts';
import type { Command, Redis, Reply, ScriptCall, SendOptions } from '../redis/redis.ts';

/** A reply, or what Redis answered in its place. */
export type Answered = Reply | RedisReplyError | undefined;

/**
 * Sends requests, which may be carried out twice unless `options` say otherwise, and answers their replies.
 *
 * @throws RedisUnavailableError; RedisReplyError the first that Redis refused, with the key that its request named.
 */
export async function repliesTo(
  redis: Redis,
  requests: readonly (Command | ScriptCall)[],
  options: Partial<SendOptions> = {},
): Promise<readonly Reply[]> {
  const replies = await redis.send(requests, { repeatable: true, ...options });
  return replies.map((reply, i) => orThrow(withKey(reply, requests[i])));
}

/** Names the key in an error. A script names it by itself; for a plain command it is the first argument. */
export function withKey(reply: Answered, request: Command | ScriptCall | undefined): Answered {
  if (!(reply instanceof RedisReplyError) || request === undefined || 'script' in request) return reply;
  const [, key] = request;
  if (key === undefined) return reply;
  return new RedisReplyError(reply.message.replace(/^\S+ /, (code) => `${code}${key}: `));
}

/** @throws RedisReplyError what Redis answered in place of a reply. */
export function orThrow(reply: Answered): Reply {
  if (reply instanceof RedisReplyError) throw reply;
  return reply ?? null;
}

/** A count as Redis answers it; 0 for anything else. */
export function countOf(reply: Answered): number {
  return typeof reply === 'number' ? reply : 0;
}

/** Whether the key holds another type than ours. @throws RedisReplyError for every other error. */
export function isWrongType(reply: Answered): boolean {
  if (!(reply instanceof RedisReplyError)) return false;
  if (reply.code !== 'WRONGTYPE') throw reply;
  return true;
}

/** The elements of an array reply; none for any other. */
export function listOf(reply: Answered): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

/** A name and its value. */
export type Pair = readonly [name: string, value: string];

/** The pairs of a flat list of names and values, such as HGETALL answers; none for anything else. */
export function pairsOf(reply: Answered): Pair[] {
  const flat = listOf(reply);
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [
    String(flat[2 * i]),
    String(flat[2 * i + 1]),
  ]);
}

/** The entries of a stream's reply, in its order. */
export function entriesOf(reply: Answered): ReadonlyMap<string, string>[] {
  return listOf(reply).flatMap((entry) => (Array.isArray(entry) ? [new Map(pairsOf(entry[1]))] : []));
}

/** Entries a page of a scan, more or less. */
const PAGE_SIZE = 1_000;

/**
 * Reads a hash or a sorted set page by page, one command each, so that memory does not grow with it. An entry may come
 * more than once while the hash grows or shrinks.
 *
 * @throws RedisUnavailableError; RedisReplyError where the key holds another type.
 */
export async function* scanPages(
  redis: Redis,
  { command, key, match }: { command: 'HSCAN' | 'ZSCAN'; key: string; match?: string | undefined },
): AsyncGenerator<readonly Pair[]> {
  let cursor = '0';
  do {
    const matching = match === undefined ? [] : ['MATCH', match];
    const [reply] = await repliesTo(redis, [[command, key, cursor, ...matching, 'COUNT', PAGE_SIZE]]);
    const [next, flat] = listOf(reply);
    cursor = String(next ?? '0');
    yield pairsOf(flat);
  } while (cursor !== '0');
}

/** The most digits of a number that we read: a double (the number of JavaScript and Lua) holds it exactly. */
export const MOST_DIGITS = 15;

/**
 * Reads a time or a number as we write it, in decimal digits. Undefined for anything else. The scripts have the same rule
 * (`digits`), so that both sides ignore the same values.
 */
export function wholeOf(text: unknown): number | undefined {
  if (typeof text !== 'string' || text.length > MOST_DIGITS || !/^\d+$/.test(text)) return undefined;
  return Number(text);
}
