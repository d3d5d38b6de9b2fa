import { defineScript, LUA_PRELUDE } from '../redis/script.ts';

/**
 * Makes candidates of what peers told, within bounds that hold whoever tells how much: 1,000 in all, 50 of one teacher,
 * 10 in one /24 (v4) or /48 (v6). Repeatable.
 *
 * A uuid that is in `consumers` is of interest only while its present address is dead. Of two addresses for one uuid the
 * first stays until it has failed.
 *
 * KEYS: consumers, health, candidates.
 * ARGV: five an entry: uuid, address as it is stored, the same as canonical `ip:port`, the teacher's uuid, the JSON of
 * the new candidate.
 * Answers how many became candidates.
 */
export const LEARN = defineScript(
  'learn',
  `${LUA_PRELUDE}
local wrong = expect_types({KEYS[1], 'hash', KEYS[2], 'hash', KEYS[3], 'hash'})
if wrong then return wrong end
local MOST, MOST_OF_TEACHER, MOST_IN_NET = 1000, 50, 10

local function net_of(address)
  local v4 = string.match(address, '^(%d+%.%d+%.%d+)%.%d+')
  if v4 then return v4 end
  local ip = string.match(address, '^%[(.-)%]') or address
  local head, tail = string.match(ip, '^(.-)::(.*)$')
  local groups = {}
  for group in string.gmatch(head or ip, '%x+') do groups[#groups + 1] = group end
  if head then
    local after = 0
    for _ in string.gmatch(tail, '%x+') do after = after + 1 end
    for _ = #groups + 1, 8 - after do groups[#groups + 1] = '0' end
    for group in string.gmatch(tail, '%x+') do groups[#groups + 1] = group end
  end
  return table.concat(groups, ':', 1, math.min(3, #groups))
end

local total, of_teacher, in_net, known = 0, {}, {}, {}
local function count(candidate, by)
  total = total + by
  if type(candidate.from) == 'string' then of_teacher[candidate.from] = (of_teacher[candidate.from] or 0) + by end
  if type(candidate.address) == 'string' then
    local net = net_of(candidate.address)
    in_net[net] = (in_net[net] or 0) + by
  end
end
local stored = redis.call('HGETALL', KEYS[3])
for i = 1, #stored, 2 do
  known[stored[i]] = decode(stored[i + 1])
  count(known[stored[i]], 1)
end

local spellings = {}
for i = 1, #ARGV, 5 do
  spellings[#spellings + 1] = ARGV[i]
  spellings[#spellings + 1] = string.upper(ARGV[i])
end
local function read(key)
  local values = {}
  for from = 1, #spellings, 2000 do
    local to = math.min(from + 1999, #spellings)
    local part = redis.call('HMGET', key, unpack(spellings, from, to))
    for i = 1, to - from + 1 do values[from + i - 1] = part[i] end
  end
  return values
end
local addresses, healths = read(KEYS[1]), read(KEYS[2])

local function wanted(entry, canonical)
  for spelling = 2 * entry - 1, 2 * entry do
    if addresses[spelling] then
      local health = decode(healths[spelling])
      return health.state == 'dead' and health.address ~= canonical
    end
  end
  return true
end

local new, learned = {}, 0
for entry = 1, #ARGV / 5 do
  local uuid, address, canonical, from, json = unpack(ARGV, entry * 5 - 4, entry * 5)
  local present = known[uuid]
  local failed = present and (tonumber(present.failures) or 1) > 0
  if wanted(entry, canonical) and (not present or (failed and present.address ~= address)) then
    if present then count(present, -1) end
    local net = net_of(address)
    if total < MOST and (of_teacher[from] or 0) < MOST_OF_TEACHER and (in_net[net] or 0) < MOST_IN_NET then
      known[uuid] = { address = address, from = from, failures = 0 }
      count(known[uuid], 1)
      new[#new + 1] = uuid
      new[#new + 1] = json
      learned = learned + 1
    elseif present then
      count(present, 1)
    end
  end
end
variadic('HSET', KEYS[3], new, 2)
return learned
`,
);
