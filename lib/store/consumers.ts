import { RedisReplyError } from '../errors.ts';
import { decodeHealth, encodeHealth } from './health-record.ts';
import { LEASE_MS } from './lease.ts';
import { storeScript } from './lua.ts';
import { cursorField, encodePartState, LAST_PROBED } from './part-state.ts';
import { listOf, pairsOf, repliesTo } from './replies.ts';
import type { PageWrite, PartName, RoundEnd, RoundStore } from './rounds.ts';
import type { Session } from './session.ts';

/**
 * Everything that a round writes about known consumers, and only while it holds the lease: a page's health, where the part
 * stands, and the lease's renewal. At the end of the round, instead of the renewal: one page of clean-up, the summary, the
 * reply that an API may give, and the release. Repeatable, except for the end: that releases the lease.
 *
 * KEYS: lease, health, cursor, consumers, rounds, reply.
 * ARGV: token; the lease's length in ms; what to do (`renew`, `end`, `end-and-clean`); the numbers of values of the three
 * lists that follow; then fields of the cursor that belong to another split, fields and values of the cursor, fields and
 * values of health; at the end of the round the reply (empty: leave it) and fields and values of the summary.
 * Answers `{0}` and has written nothing if the lease is not ours, else `{1, health records removed, keys of a wrong type}`.
 *
 * Lua's \`unpack\` bears 2,000 values, and the embedded engine copies a collection on each write.
 */
const WRITE_PAGE = storeScript(
  'write-page',
  `
local CLEANED = 'health'
local taken = 6
local function take(count)
  local items = {}
  for i = 1, tonumber(count) do items[i] = ARGV[taken + i] end
  taken = taken + #items
  return items
end
local foreign, cursor, health = take(ARGV[4]), take(ARGV[5]), take(ARGV[6])
local act, reply = ARGV[3], ARGV[taken + 1]

local function gone()
  local page = redis.pcall('HSCAN', KEYS[2], read('HGET', KEYS[3], CLEANED) or '0', 'COUNT', 1000)
  if page.err then page = read('HSCAN', KEYS[2], '0', 'COUNT', 1000) end
  local fields, removed = {}, {}
  for i = 1, #page[2], 2 do fields[#fields + 1] = page[2][i] end
  for i, address in ipairs(#fields > 0 and read_fields(KEYS[4], fields) or {}) do
    if not address then removed[#removed + 1] = fields[i] end
  end
  cursor[#cursor + 1] = CLEANED
  cursor[#cursor + 1] = page[1]
  return removed
end

if text_of(KEYS[1]) ~= ARGV[1] then return {0} end
local removed = act == 'end-and-clean' and gone() or {}
for from = 1, #health, 2000 do
  redis.call('HSET', KEYS[2], unpack(health, from, math.min(from + 1999, #health)))
end
variadic('HDEL', KEYS[2], removed, 1)
redis.call('HSET', KEYS[3], unpack(cursor))
variadic('HDEL', KEYS[3], foreign, 1)
if act == 'renew' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, 0, {}}
end
local unusable = {}
local added = redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', '500', '*', unpack(ARGV, taken + 2))
if type(added) == 'table' and added.err then unusable[1] = 'sync:rounds' end
if reply ~= '' then redis.pcall('SET', KEYS[6], reply) end
redis.call('DEL', KEYS[1])
return {1, #removed, unusable}
`,
);

type ConsumerStore = Pick<RoundStore, 'scanConsumers' | 'readHealth' | 'findConsumers' | 'writePage'>;

/** What a round reads and writes about the consumers that it knows. */
export function createConsumerStore(session: Session): ConsumerStore {
  const { keys } = session;

  const readFields = async (key: string, fields: readonly string[]) => {
    if (fields.length === 0) return [];
    const [values] = await repliesTo(session.redis, [['HMGET', key, ...fields]]);
    return listOf(values);
  };
  const readHealth: ConsumerStore['readHealth'] = async (fields) => {
    const values = await readFields(keys.health, fields);
    const nowMs = session.clock.nowMs();
    return values.map((json) => decodeHealth(json, nowMs));
  };

  return {
    readHealth,
    async scanConsumers(cursor, count) {
      try {
        const [page] = await repliesTo(session.redis, [['HSCAN', keys.consumers, cursor, 'COUNT', count]]);
        const [next, flat] = listOf(page);
        if ((typeof next !== 'string' && typeof next !== 'number') || !Array.isArray(flat)) {
          throw new RedisReplyError('ERR unexpected reply to HSCAN: expected a cursor and a list');
        }
        return { next: String(next), entries: pairsOf(flat).map(([field, address]) => ({ field, address })) };
      } catch (error) {
        const refused = error instanceof RedisReplyError && error.code !== 'WRONGTYPE' && cursor !== '0';
        if (refused) return 'rejected';
        throw error;
      }
    },
    async findConsumers(uuids) {
      // The API may spell a UUID in capitals.
      const fields = uuids.flatMap((uuid) => [uuid, uuid.toUpperCase()]);
      const addresses = await readFields(keys.consumers, fields);
      const known = fields.flatMap((field, i) => {
        const address = addresses[i];
        return typeof address === 'string' ? [{ field, address }] : [];
      });
      const healths = await readHealth(known.map(({ field }) => field));
      return known.map((entry, i) => ({ ...entry, health: healths[i] }));
    },
    async writePage(page) {
      const reply = await session.write(writeCall(page, session), { repeatable: page.end === undefined });
      if (reply === undefined) return 'lease-lost';
      session.cursorFields = [];
      return { forgotten: Number(reply[1] ?? 0), unusable: listOf(reply[2]).map(String) };
    },
  };
}

function writeCall({ part, nowMs, health, state, end }: PageWrite, { keys, cursorFields }: Session) {
  const foreign = part.shard === 0 ? cursorFields.filter((field) => isOfOtherSplit(field, part.of)) : [];
  const cursor = [cursorField(part), encodePartState(state), LAST_PROBED, nowMs];
  const records = health.flatMap(({ field, record }) => [field, encodeHealth(record)]);
  return {
    script: WRITE_PAGE,
    keys: [keys.health, keys.cursor, keys.consumers, keys.rounds, keys.reply],
    args: [
      LEASE_MS,
      end === undefined ? 'renew' : part.shard === 0 ? 'end-and-clean' : 'end',
      foreign.length,
      cursor.length,
      records.length,
      ...foreign,
      ...cursor,
      ...records,
      ...(end === undefined
        ? []
        : [
            end.reply === undefined ? '' : JSON.stringify({ consumers: end.reply }),
            ...streamFields(end, part),
          ]),
    ],
  };
}

function isOfOtherSplit(field: string, of: number): boolean {
  const split = /^\d+\/(\d+)$/.exec(field)?.[1];
  return split !== undefined && Number(split) !== of;
}

function streamFields({ summary: { round, at, ...summary } }: RoundEnd, { shard, of }: PartName): string[] {
  const fields = { round, shard, of, at, summary: JSON.stringify(summary) };
  return Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
}
