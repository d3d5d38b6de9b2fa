import { RedisReplyError } from '../errors.ts';
import { type Epoch, parseEpoch } from '../ip/register.ts';
import type { Ip } from '../peers/ip-space.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { Redis } from '../redis/redis.ts';
import { COMMIT_TIMEOUT_MS, type CommitCounts, LUA_COMMIT, parseCounts } from './commit.lua.ts';
import type { Keys } from './keys.ts';
import { storeScript } from './lua.ts';
import { listOf, repliesTo } from './replies.ts';

/** So many ids of the operator's words are kept: a word counts once while its id is one of them. */
const KEPT_IDS = 20;

/**
 * The operator's word: an address is committed as a new change, whatever the register holds, once per id. The ids are
 * written with the register: an id is there exactly if its commit went through. So running this again after a lost reply,
 * or after a run that died half-way, is safe.
 *
 * KEYS: `ip`, `ip:history`, `producers`, `deliveries`, `deliveries:due`. ARGV: 1 the address, 2 the id, 3 now in ms.
 * Answers {'committed' or 'repeated', epoch, and what a commit did}.
 */
export const COMMIT_MANUAL = storeScript(
  'commit-manual',
  `${LUA_COMMIT}
local keys = { ip = KEYS[1], history = KEYS[2], producers = KEYS[3], deliveries = KEYS[4], due = KEYS[5] }
local address, id, now = ARGV[1], ARGV[2], tonumber(ARGV[3])

local register = read_register(keys.ip)
local ok, stored = pcall(cjson.decode, register.manualIds or '')
local ids = {}
if ok and type(stored) == 'table' then
  for _, kept in ipairs(stored) do
    if kept == id then return {'repeated', whole(epoch_of(register))} end
    ids[#ids + 1] = kept
  end
end
ids[#ids + 1] = id
local last = {unpack(ids, math.max(1, #ids - ${KEPT_IDS} + 1), #ids)}

local verified_no_more = literal(register.current) ~= address and {'verifiedAt'} or {}
local epoch, made = commit(keys, register, { to = address, now = now, source = 'manual',
  votes = cjson.encode({manual = address}), fields = {'manualIds', cjson.encode(last)}, stale = verified_no_more })
return {'committed', epoch, unpack(made)}
`,
);

/** What became of an operator's word. */
export type OperatorsWord =
  | { readonly kind: 'committed'; readonly epoch: Epoch; readonly counts: CommitCounts }
  /** This id was committed before. `epoch` is the register's now, of this change or of a later one. */
  | { readonly kind: 'repeated'; readonly epoch?: Epoch };

/**
 * Commits an address because the operator says so: always a new change, also for the address that is current, once per
 * `id` (`awsRequestId`, or an id that the host makes once per command). The sources win afterwards. It is sent again after
 * a lost reply: a commit that had been done is `repeated` then, and has to be delivered all the same. `clock` is of a run
 * that has made sure whose Redis it is.
 *
 * @throws RedisUnavailableError if no answer arrived. With `mayHaveRun` it may be committed; the same id finds out.
 * @throws RedisReplyError if a key holds the wrong type: nothing was written.
 */
export async function commitOperatorsWord(
  { ip, id }: { readonly ip: Ip; readonly id: string },
  {
    redis,
    keys,
    clock,
    signal,
  }: { readonly redis: Redis; readonly keys: Keys; readonly clock: RedisClock; readonly signal: AbortSignal },
): Promise<OperatorsWord> {
  await clock.refresh(redis, signal);
  const [reply] = await repliesTo(
    redis,
    [
      {
        script: COMMIT_MANUAL,
        keys: [keys.ip, keys.ipHistory, keys.producers, keys.deliveries, keys.due],
        args: [ip, id, clock.nowMs()],
      },
    ],
    { signal, timeoutMs: COMMIT_TIMEOUT_MS },
  );
  const [kind, rawEpoch, ...counts] = listOf(reply);
  const epoch = parseEpoch(rawEpoch);
  if (kind === 'committed' && epoch !== undefined) return { kind, epoch, counts: parseCounts(counts) };
  if (kind === 'repeated') return { kind, ...(epoch !== undefined && { epoch }) };
  throw new RedisReplyError("ERR unexpected reply from the script of the operator's word");
}
