import { RedisReplyError } from '../errors.ts';
import type { Ip } from '../peers/ip-space.ts';
import type { Redis } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import { COMMIT_MANUAL } from './operators-word.lua.ts';
import { COMMIT_TIMEOUT_MS, type CommitCounts, parseCounts } from './record.ts';
import { type Epoch, parseEpoch } from './register.ts';

export type OperatorsWord =
  | { readonly kind: 'committed'; readonly epoch: Epoch; readonly counts: CommitCounts }
  /** This id was committed before. `epoch` is the register's now, of this or of a later change. */
  | { readonly kind: 'repeated'; readonly epoch?: Epoch };

/**
 * Commits an address because the operator says so: always a new change, also for the address that is current, once
 * per `id` (`awsRequestId`, or an id that the host makes once per command; the last 20 are known). `nowMs` is
 * Redis's time. The sources win afterwards. It may be carried out twice, so it is retried: a commit whose reply was
 * lost is `repeated` then, and has to be drained all the same.
 *
 * @throws RedisUnavailableError if no answer arrived. With `mayHaveRun` it may be committed; the same id finds out.
 * @throws RedisReplyError if a key holds the wrong type: nothing was written.
 */
export async function commitOperatorsWord(
  { redis, keys }: { readonly redis: Redis; readonly keys: Keys },
  { ip, id, nowMs, signal }: { ip: Ip; id: string; nowMs: number; signal?: AbortSignal },
): Promise<OperatorsWord> {
  const [reply] = await redis.send(
    [
      {
        script: COMMIT_MANUAL,
        keys: [keys.ip, keys.ipHistory, keys.producers, keys.deliveries, keys.due],
        args: [ip, id, Math.floor(nowMs)],
      },
    ],
    { repeatable: true, timeoutMs: COMMIT_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) },
  );
  if (reply instanceof RedisReplyError) throw reply;

  const [kind, rawEpoch, ...counts] = Array.isArray(reply) ? reply : [];
  const epoch = parseEpoch(rawEpoch);
  if (kind === 'committed' && epoch !== undefined) return { kind, epoch, counts: parseCounts(counts) };
  if (kind === 'repeated') return { kind, ...(epoch === undefined ? {} : { epoch }) };
  throw new RedisReplyError("ERR the script of the operator's word gave an answer that it never gives");
}
