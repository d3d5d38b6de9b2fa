import { MAX_AHEAD_MS } from '../redis/clock.ts';
import type { Reply } from '../redis/redis.ts';
import { AMBIGUITY_MS, LONGEST_LEASE_MS, LUA_DELIVERY } from './delivery-record.ts';

/** How many former addresses the register keeps, for the damping of quick returns. */
const KEPT_ADDRESSES = 8;
/** A commit drops the delivery of a producer that so many looks in a row have not found in `producers`. */
const MISSED_LOOKS = 24;
/** About so many changes are kept in `ip:history`. */
const KEPT_CHANGES = 1_000;

/** A commit over 100,000 producers takes 1.5 s of Redis at worst. */
export const COMMIT_TIMEOUT_MS = 10_000;

/** What a commit did, in numbers. */
export interface CommitCounts {
  /** Producers that became due. */
  readonly due: number;
  /** Deliveries left alone because they have a lease; whoever finds it ended sees that the epoch has changed. */
  readonly leased: number;
  /** Entries of `producers` whose key is not a UUID. */
  readonly skipped: number;
  /** Deliveries of producers that a day of looks has not found in `producers`. */
  readonly dropped: number;
  /** Records that nothing needs any more. */
  readonly removed: number;
}

/** Reads the list that `commit` answers. */
export function parseCounts(list: readonly Reply[]): CommitCounts {
  const [due = 0, leased = 0, skipped = 0, dropped = 0, removed = 0] = list.map(Number);
  return { due, leased, skipped, dropped, removed };
}

/**
 * The commit of a new address, shared by the scripts that make one. Put it in front of a script's body;
 * `LUA_DELIVERY` is in it.
 *
 * - `read_register(key)`: the hash as a table of strings. `epoch_of(register)`: its epoch, 0 if there is none.
 * - `clear(key, register, names)`: deletes those of the fields that are there.
 * - `add_history(key, entry)`: adds an entry to the stream; answers whether that went well. It never fails the script.
 * - `commit(keys, register, change)`: `keys` = {ip, history, producers, deliveries, due}; `change` = {to, now, source,
 *   votes, fields, stale}: `now` in ms, `votes` as JSON, `fields` a flat list of further fields that are written with
 *   the register, `stale` names of fields that go with the old address. Answers the new epoch, the list that
 *   `parseCounts` reads, and whether the history was written.
 *
 * Everything is read before the first write. Then it writes in this order: who is due, clean-up, history, register. A
 * script that dies half-way has then promised too much, never too little, and the next check repeats it.
 *
 * Who is due: every producer, also one whose address is unusable (its delivery settles as such). All are due since 3 s
 * ago (`MAX_AHEAD_MS`), or up to 1 s more, because the clock of a drain that starts at once may be behind ours. In that
 * second they have another order in each commit. Else the last ones would never be told where changes follow each other
 * faster than a drain comes to them. Producers that acknowledged the epoch before are due 1 s earlier still: the living do
 * not wait behind those that time out. A delivery that has a lease, expired or not, keeps its score: whoever settles or
 * takes over that lease sees that the epoch has changed. (NX only mends a due set that lost such a member.)
 *
 * Clean-up: a missing producer without a lease loses its delivery after `MISSED_LOOKS` looks. A record without
 * producer, lease and delivery goes, unless an attempt of its may have been under way less than 60 s ago. A producer that
 * is here is not missing: its count of missed looks goes.
 *
 * Collections are written with as few variadic commands as `unpack` allows: the embedded engine copies them each time.
 */
export const LUA_COMMIT = `${LUA_DELIVERY}
local CHUNK, AMBIGUITY, LONGEST_LEASE, AHEAD = 1000, ${AMBIGUITY_MS}, ${LONGEST_LEASE_MS}, ${MAX_AHEAD_MS}
local LIVING_FIRST = 1000
-- A prime below it. The place depends on the square of the time: else changes in equal intervals could leave one always last.
local PLACES = 997
local CANDIDATE = {'candidate', 'candidateChecks', 'candidateAt'}

local function read_register(key)
  local flat, register = read('HGETALL', key), {}
  for i = 1, #flat, 2 do register[flat[i]] = flat[i + 1] end
  return register
end
local function epoch_of(register)
  return digits(register.epoch) or 0
end
local function clear(key, register, names)
  local present = {}
  for _, name in ipairs(names) do
    if register[name] then present[#present + 1] = name end
  end
  if #present > 0 then redis.call('HDEL', key, unpack(present)) end
end
local function add_history(key, entry)
  local reply = redis.pcall('XADD', key, 'MAXLEN', '~', ${KEPT_CHANGES}, '*', unpack(entry))
  return type(reply) ~= 'table' or not reply.err
end
-- 'epoch' is the field as JSON has it; a longer number begins with the same digits.
local function acknowledged(text, epoch)
  local _, last = string.find(text, epoch, 1, true)
  return last and not string.find(text, '^%d', last + 1)
end

-- What a commit has to know about the producers and their records.
local function survey(keys, register, now)
  local epoch = '"ackedEpoch":' .. whole(epoch_of(register))
  local found = { living = {}, others = {}, leased = {}, skipped = 0, dropped = {}, removed = {}, back = {} }
  found.waiting = read('ZCARD', keys.due)
  local known = {}
  for _, uuid in ipairs(read('HKEYS', keys.producers)) do
    if string.find(uuid, UUID) then known[uuid] = 'others' else
      known[uuid] = 'skipped'
      found.skipped = found.skipped + 1
    end
  end
  local function gone_for_good(gone)
    if #gone == 0 then return end
    local uuids = {}
    for i = 1, #gone do uuids[i] = gone[i].uuid end
    local scores = read('ZMSCORE', keys.due, unpack(uuids))
    for i = 1, #gone do
      local record, delivery = gone[i].record, scores[i]
      if delivery and (record.missed or 0) >= ${MISSED_LOOKS} then
        found.dropped[#found.dropped + 1] = gone[i].uuid
        delivery = false
      end
      local ended = record.ambiguousAt
      -- An end farther ahead than a lease can be is damage by a clock that was set back.
      local ambiguous = ended and now - ended <= AMBIGUITY and ended - now <= LONGEST_LEASE
      if not delivery and not ambiguous then found.removed[#found.removed + 1] = gone[i].uuid end
    end
  end
  local records = read('HKEYS', keys.deliveries)
  for from = 1, #records, CHUNK do
    local texts = read('HMGET', keys.deliveries, unpack(records, from, math.min(from + CHUNK - 1, #records)))
    local gone = {}
    for i = 1, #texts do
      local uuid, text = records[from + i - 1], texts[i] or ''
      if not known[uuid] then
        local record = read_delivery(text)
        if not record.lease then gone[#gone + 1] = { uuid = uuid, record = record } end
      elseif string.find(text, '"lease"', 1, true) and read_delivery(text).lease then
        if known[uuid] ~= 'skipped' then known[uuid] = 'leased' end
      else
        if known[uuid] == 'others' and acknowledged(text, epoch) then known[uuid] = 'living' end
        if string.find(text, '"missed"', 1, true) then
          local record = read_delivery(text)
          record.missed = nil
          found.back[#found.back + 1] = uuid
          found.back[#found.back + 1] = write_delivery(record)
        end
      end
    end
    gone_for_good(gone)
  end
  for uuid, group in pairs(known) do
    local list = found[group]
    if type(list) == 'table' then list[#list + 1] = uuid end
  end
  return found
end

local function add_due(key, scored, ...)
  for from = 1, #scored, 2 * CHUNK do
    local command = {...}
    for i = from, math.min(from + 2 * CHUNK - 1, #scored) do command[#command + 1] = scored[i] end
    redis.call('ZADD', key, unpack(command))
  end
end
local function make_due(key, found, since)
  local free, leased = {}, {}
  local turn = since % PLACES + 1
  local function append(list, uuids, latest)
    for i = 1, #uuids do
      local number = tonumber(string.sub(uuids[i], 1, 8), 16) or 0
      list[#list + 1] = whole(latest - ((number % PLACES + 1) * (turn * turn % PLACES) + turn) % PLACES)
      list[#list + 1] = uuids[i]
    end
  end
  append(free, found.living, since - LIVING_FIRST)
  append(free, found.others, since)
  append(leased, found.leased, since)
  add_due(key, free)
  add_due(key, leased, 'NX')
  return #free / 2, #leased / 2
end

-- The former addresses, the last one first: 'address@until address@until ...', times in ms.
local function recent_after(register, from, to, now)
  local kept = {}
  if from ~= '' and from ~= to then kept[1] = from .. '@' .. now end
  local before = register.recent
  -- Version 1 kept one address: it was current until the present one was committed.
  if not before and register.previous and register.since then before = register.previous .. '@' .. register.since end
  for ip, till in string.gmatch(before or '', '([%x.:]+)@(%d+)') do
    if #kept < ${KEPT_ADDRESSES} and ip ~= from and ip ~= to and literal(ip) ~= '' and digits(till) then
      kept[#kept + 1] = ip .. '@' .. till
    end
  end
  return table.concat(kept, ' ')
end

-- How the telling of the change before went: of whom it was told are those who are not due any more.
local function telling_of(register, waiting)
  local told, first, last = digits(register.told), digits(register.firstAck), digits(register.lastAck)
  if not told then return {} end
  if not first or not last then return {'told', whole(told), 'of', whole(told + waiting)} end
  return {'told', whole(told), 'of', whole(told + waiting), 'firstAck', whole(first), 'lastAck', whole(last)}
end

local function commit(keys, register, change)
  local from = literal(register.current)
  local epoch = whole(math.max(epoch_of(register) + 1, change.now))
  local now = whole(change.now)
  local found = survey(keys, register, change.now)

  local due, leased = make_due(keys.due, found, change.now - AHEAD)
  variadic('HSET', keys.deliveries, found.back, 2)
  variadic('ZREM', keys.due, found.dropped, 1)
  variadic('HDEL', keys.deliveries, found.removed, 1)

  local entry = {'from', from, 'to', change.to, 'epoch', epoch, 'at', now, 'source', change.source, 'votes', change.votes}
  if digits(register.verifiedAt) then
    entry[#entry + 1] = 'verifiedAt'
    entry[#entry + 1] = register.verifiedAt
  end
  for _, value in ipairs(telling_of(register, found.waiting)) do entry[#entry + 1] = value end
  local written = add_history(keys.history, entry)

  local fields = {'current', change.to, 'epoch', epoch, 'since', now, 'told', '0',
    'recent', recent_after(register, from, change.to, now)}
  if from ~= '' and from ~= change.to then
    fields[#fields + 1] = 'previous'
    fields[#fields + 1] = from
  end
  for _, field in ipairs(change.fields) do fields[#fields + 1] = field end
  redis.call('HSET', keys.ip, unpack(fields))
  local stale = {'firstAck', 'lastAck'}
  for _, name in ipairs(CANDIDATE) do stale[#stale + 1] = name end
  for _, name in ipairs(change.stale) do stale[#stale + 1] = name end
  clear(keys.ip, register, stale)
  return epoch, {due, leased, found.skipped, #found.dropped, #found.removed}, written
end
`;
