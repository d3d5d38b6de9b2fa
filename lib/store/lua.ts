import { MAX_IP_LENGTH } from '../peers/ip-space.ts';
import { MOST_DIGITS } from './replies.ts';

/**
 * Lua that the scripts of the store share; put it behind `LUA_PRELUDE`.
 *
 * - `checked(body)` runs the function `body` and answers its result. A script is `return checked(function() … end)`.
 * - `read(command, key, …)` runs a command that only reads. Where it fails, the script ends with an error that names the
 *   key: `WRONGTYPE {p2p}:ip: Operation against …`. Read every key before the first write: a script that fails does not
 *   roll back what it wrote. It needs `checked`, because only an error that a script *returns* keeps its code on every
 *   engine. It costs nothing; a TYPE command would be billed by a hosted Redis.
 * - `text_of(key)` is GET for a key that may hold anything. Answers `nil` for a wrong type, `false` for an absent key.
 * - `lease_holder(key, token, longest_ms)`: who has the lease `key`, else false. Nobody else may write there, so what is no
 *   lease of ours is damage, and whoever takes the lease replaces it: a wrong type, and another's token than `token`
 *   without expiry or with one that is longer than a lease can be.
 * - `read_fields(key, names)` is HMGET of any number of fields. Answers a list with `false` for what is absent.
 * - `UUID`: the pattern of a UUID, for `string.find`. The same rule as `parseUuid`.
 * - `digits(text)`: the number that at most 15 decimal digits name, else nil. The same rule as `wholeOf`.
 * - `literal(text)`: `text` if it is made of an IP literal's characters and no longer than one, else ''.
 */
export const LUA_STORE = `
local UUID = '^' .. string.rep('%x', 8) .. string.rep('%-' .. string.rep('%x', 4), 3) .. '%-' .. string.rep('%x', 12) .. '$'
local function checked(body)
  local ok, reply = pcall(body)
  if ok then return reply end
  if type(reply) == 'table' and reply.named then return redis.error_reply(reply.named) end
  error(reply, 0)
end
local function named(key, reply)
  if type(reply) ~= 'table' or not reply.err then return reply end
  local code, words = string.match(reply.err, '^(%S+) (.*)$')
  error({ named = (code or 'ERR') .. ' ' .. key .. ': ' .. (words or reply.err) })
end
local function read(command, key, ...)
  return named(key, redis.pcall(command, key, ...))
end
local function text_of(key)
  local reply = redis.pcall('GET', key)
  if type(reply) == 'table' and string.find(reply.err, '^WRONGTYPE') then return nil end
  return named(key, reply)
end
local function lease_holder(key, token, longest_ms)
  local holder = text_of(key)
  if not holder then return false end
  if holder == token then return holder end
  local left = read('PTTL', key)
  return left >= 0 and left <= longest_ms and holder
end
local function read_fields(key, names)
  local values = {}
  for from = 1, #names, 1000 do
    local last = math.min(from + 999, #names)
    local chunk = read('HMGET', key, unpack(names, from, last))
    for i = from, last do values[i] = chunk[i - from + 1] end
  end
  return values
end
local function digits(text)
  if type(text) == 'string' and #text <= ${MOST_DIGITS} and string.find(text, '^%d+$') then return tonumber(text) end
  return nil
end
local function literal(text)
  if type(text) == 'string' and #text <= ${MAX_IP_LENGTH} and string.find(text, '^[%x.:]+$') then return text end
  return ''
end
`;
