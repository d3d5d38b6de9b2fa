import { MAX_AHEAD_MS } from '../redis/clock.ts';

/**
 * The commit of a new address, shared by the scripts that make one. Put it behind `LUA_PRELUDE`.
 *
 * - `digits(text)`: the number that at most 15 decimal digits name, else nil (the rule of `parseRegister`).
 * - `literal(text)`: `text` if it is made of an IP literal's characters, else ''.
 * - `read_register(key)`: the hash as a table of strings. `epoch_of(register)`: its epoch, 0 if there is none.
 * - `clear(key, register, names)`: deletes those of the fields that are there.
 * - `commit(keys, register, change)`: `keys` = {ip, history, producers, deliveries, due}; `change` = {to, now, source,
 *   votes, fields, stale}: `now` in ms, `votes` as JSON, `fields` a flat list of further fields that are written with
 *   the register, `stale` names of fields that go with the old address. Answers the new epoch, and a list: producers
 *   that became due, deliveries left alone under a lease, producers skipped for a bad uuid, missing producers dropped,
 *   records removed.
 *
 * The caller checks the types of all keys first. Then, in this order, so that a script that dies half-way has
 * promised too much rather than too little and the next check can simply repeat it: who is due, clean-up, history,
 * register. Every collection is written with as few variadic commands as `unpack` allows: the embedded engine copies
 * it each time.
 *
 * Who is due: every producer, also those whose address is unusable (the delivery then settles as such), since 3 s ago
 * (`MAX_AHEAD_MS`): our clock may run ahead of a drain's, and a drain that is started at once must not find that nothing
 * is due yet. A delivery that has a lease, expired or not, keeps its score: the claim
 * under that lease, or the one that finds it expired, sees that the epoch has changed. It is a member of the due set
 * already; NX only mends a set that lost it. Records are read, for their leases, and not rewritten, except that a
 * producer that is here is not missing any more.
 *
 * Clean-up: a producer without a lease that every look has found missing for over a day (`missingSince`) loses its
 * delivery. Its next look has to lie ahead: when it is overdue nobody can tell whether it has been back. A record
 * without producer, lease and delivery goes, unless an attempt of its may have been under way less than 60 s ago.
 */
export const LUA_COMMIT = `
local CHUNK, DAY, MINUTE, AHEAD, HISTORY = 1000, 86400000, 60000, ${MAX_AHEAD_MS}, 1000
local CANDIDATE = {'candidate', 'candidateChecks', 'candidateAt'}
local UUID = '^' .. string.rep('%x', 8) .. string.rep('%-' .. string.rep('%x', 4), 3) .. '%-' .. string.rep('%x', 12) .. '$'

local function digits(text)
  if type(text) == 'string' and #text <= 15 and string.find(text, '^%d+$') then return tonumber(text) end
  return nil
end
local function literal(text)
  if type(text) == 'string' and #text <= 45 and string.find(text, '^[%x.:]+$') then return text end
  return ''
end
local function read_register(key)
  local flat, register = redis.call('HGETALL', key), {}
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
local function has_lease(record)
  return type(record.lease) == 'string'
end

-- The text is cut, not written anew, so that the order of its fields stays.
local function without_missing(text)
  text = string.gsub(text, ',"missingSince":[^,}]*', '')
  text = string.gsub(text, '"missingSince":[^,}]*,?', '')
  return text
end

local function clean_up(due, gone, found, now)
  if #gone == 0 then return end
  local uuids = {}
  for i = 1, #gone do uuids[i] = gone[i][1] end
  local scores = redis.call('ZMSCORE', due, unpack(uuids))
  for i = 1, #gone do
    local uuid, record, delivery = gone[i][1], gone[i][2], scores[i]
    local missing = type(record.missingSince) == 'number' and now - record.missingSince > DAY
    if delivery and missing and tonumber(delivery) > now then
      found.dropped[#found.dropped + 1] = uuid
      delivery = false
    end
    local ambiguous = type(record.ambiguousAt) == 'number' and now - record.ambiguousAt <= MINUTE
    if not delivery and not ambiguous then found.removed[#found.removed + 1] = uuid end
  end
end

local function survey(keys, now)
  local found = { members = {}, skipped = 0, leased = {}, dropped = {}, removed = {}, back = {} }
  local known = {}
  for _, uuid in ipairs(redis.call('HKEYS', keys.producers)) do
    known[uuid] = true
    if string.find(uuid, UUID) then found.members[#found.members + 1] = uuid else found.skipped = found.skipped + 1 end
  end
  local records = redis.call('HKEYS', keys.deliveries)
  for from = 1, #records, CHUNK do
    local texts = redis.call('HMGET', keys.deliveries, unpack(records, from, math.min(from + CHUNK - 1, #records)))
    local gone = {}
    for i = 1, #texts do
      local uuid, text = records[from + i - 1], texts[i]
      if not known[uuid] then
        local record = decode(text)
        if not has_lease(record) then gone[#gone + 1] = {uuid, record} end
      elseif text and string.find(text, '"lease"', 1, true) and has_lease(decode(text)) then
        found.leased[uuid] = true
      elseif text and string.find(text, '"missingSince"', 1, true) then
        found.back[#found.back + 1] = uuid
        found.back[#found.back + 1] = without_missing(text)
      end
    end
    clean_up(keys.due, gone, found, now)
  end
  return found
end

local function add_due(key, uuids, due_at, ...)
  for from = 1, #uuids, CHUNK do
    local command = {...}
    for i = from, math.min(from + CHUNK - 1, #uuids) do
      command[#command + 1] = due_at
      command[#command + 1] = uuids[i]
    end
    redis.call('ZADD', key, unpack(command))
  end
end
local function make_due(key, found, due_at)
  local free, leased = {}, {}
  for _, uuid in ipairs(found.members) do
    local list = found.leased[uuid] and leased or free
    list[#list + 1] = uuid
  end
  add_due(key, free, due_at)
  add_due(key, leased, due_at, 'NX')
  return #free, #leased
end

local function commit(keys, register, change)
  local from = literal(register.current)
  local epoch = whole(math.max(epoch_of(register) + 1, change.now))
  local now = whole(change.now)
  local found = survey(keys, change.now)

  local due, leased = make_due(keys.due, found, whole(change.now - AHEAD))
  variadic('HSET', keys.deliveries, found.back, 2)
  variadic('ZREM', keys.due, found.dropped, 1)
  variadic('HDEL', keys.deliveries, found.removed, 1)

  local entry = {'from', from, 'to', change.to, 'epoch', epoch, 'at', now, 'source', change.source, 'votes', change.votes}
  if digits(register.verifiedAt) then
    entry[#entry + 1] = 'verifiedAt'
    entry[#entry + 1] = register.verifiedAt
  end
  redis.call('XADD', keys.history, 'MAXLEN', '~', HISTORY, '*', unpack(entry))

  local fields = {'current', change.to, 'epoch', epoch, 'since', now}
  if from ~= '' and from ~= change.to then
    fields[#fields + 1] = 'previous'
    fields[#fields + 1] = from
  end
  for _, field in ipairs(change.fields) do fields[#fields + 1] = field end
  redis.call('HSET', keys.ip, unpack(fields))
  clear(keys.ip, register, CANDIDATE)
  clear(keys.ip, register, change.stale)
  return epoch, {due, leased, found.skipped, #found.dropped, #found.removed}
end
`;
