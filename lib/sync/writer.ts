import { RedisReplyError } from '../errors.ts';
import type { Reply } from '../redis/redis.ts';
import type { RoundContext } from './context.ts';
import { encodePosition, type Position } from './cursor.ts';
import { ENOUGH_HEARD, learnCall } from './heard.ts';
import { LEASE_MS } from './hold.ts';
import { cursorField } from './open.ts';
import type { RoundSummary } from './summary.ts';
import { WRITE_ROUND } from './write.lua.ts';

/** What one script writes. */
export interface RoundWrite {
  /** Field and JSON in turn. */
  readonly health: readonly string[];
  /** Where the next round goes on. Absent: the stored one stays. */
  readonly position?: Position | 'end';
  /** The round's summary; with it the lease goes. Then nothing may be written any more. */
  readonly summary?: RoundSummary;
}

/**
 * Writes a page, the end of the round, or both, if the lease is still ours; if not, the round is stopped. An end whose
 * reply is lost counts as not written, although it may be: the lease then ends by itself.
 *
 * @throws RedisUnavailableError, RedisReplyError
 */
export async function writeRound(
  { health, position, summary }: RoundWrite,
  { hold, keys, part, progress, tally, log, nowMs }: RoundContext,
): Promise<void> {
  const act = summary === undefined ? 'renew' : part.shard === 0 ? 'end-and-clean' : 'end';
  const reply = await hold.send(
    {
      script: WRITE_ROUND,
      keys: [keys.lease(`sync:${part.shard}`), keys.health, keys.cursor, keys.consumers, keys.rounds],
      args: [
        hold.token,
        LEASE_MS,
        cursorField(part),
        position === undefined ? '' : encodePosition(position),
        nowMs(),
        act,
        health.length,
        ...health,
        ...(summary === undefined ? [] : streamFields(summary)),
      ],
    },
    (answer) => at(answer, 0) === 1,
    { repeatable: summary === undefined },
  );
  if (at(reply, 0) !== 1) return progress.stop('lease');
  tally.forgotten += Number(at(reply, 1) ?? 0);
  const unusable = at(reply, 2);
  if (Array.isArray(unusable) && unusable.length > 0) {
    log.warn('Keys of another type than ours were left alone; delete or rename them', { keys: unusable });
  }
}

function streamFields({ round, shard, of, at: began, ...rest }: RoundSummary): string[] {
  const { forgotten: _, ...summary } = rest;
  const fields = { round, shard, of, at: began, summary: JSON.stringify(summary) };
  return Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
}

function at(reply: Reply, index: number): Reply | undefined {
  return Array.isArray(reply) ? reply[index] : undefined;
}

/**
 * Hands what was heard to Redis, if it is enough to be worth a command, or `all` of it. Never throws: what cannot be
 * learned now will be told again.
 */
export async function learnHeard(
  { heard, redis, keys, nowMs, tally, log }: RoundContext,
  { all }: { all: boolean },
): Promise<void> {
  if (heard.size === 0 || (heard.size < ENOUGH_HEARD && !all)) return;
  try {
    const [reply] = await redis.send([learnCall(heard.take(), keys, nowMs())], { repeatable: true });
    if (reply instanceof RedisReplyError) throw reply;
    tally.learned += Number(reply ?? 0);
  } catch (error) {
    log.warn('What consumers told could not be learned; they will tell it again', { error });
  }
}
