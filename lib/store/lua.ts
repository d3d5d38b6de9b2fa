import { MAX_IP_LENGTH } from '../peers/ip-space.ts';
import { defineScript, type Script } from '../redis/script.ts';
import { MOST_DIGITS } from './replies.ts';

/**
 * A script of the store. Its text is the body of a function; before it stands what the scripts share:
 *
 * - `decode(json)` answers a table for a JSON object; anything else (nil, broken, an array, a number, null) counts as
 *   empty. A field that is null counts as absent: cjson's null is a value that is true.
 * - `whole(n)` prints a number without exponent: cjson and Lua keep 14 digits, this keeps what a double holds (2^53).
 * - `variadic(command, key, items, width)` sends `items` (a flat list of `width`-tuples) in chunks that `unpack` bears.
 * - `read(command, key, …)` runs a command that only reads. Where it fails, the script ends with an error that names the
 *   key: `WRONGTYPE {p2p}:ip: Operation against …`. Read every key before the first write: a script that fails does not
 *   roll back what it wrote. It costs nothing; a TYPE command would be billed by a hosted Redis.
 * - `text_of(key)` is GET for a key that may hold anything. Answers `nil` for a wrong type, `false` for an absent key.
 * - `lease_holder(key, token, longest_ms)`: who has the lease `key`, else false. Nobody else may write there, so what is no
 *   lease of ours is damage, and whoever takes the lease replaces it: a wrong type, and another's token than `token`
 *   without expiry or with one that is longer than a lease can be.
 * - `read_fields(key, names)` is HMGET of any number of fields. Answers a list with `false` for what is absent.
 * - `UUID`: the pattern of a UUID, for `string.find`. The same rule as `parseUuid`.
 * - `digits(text)`: the number that at most 15 decimal digits name, else nil. The same rule as `wholeOf`.
 * - `literal(text)`: `text` if it is made of an IP literal's characters and no longer than one, else ''.
 */
export function storeScript(name: string, body: string): Script {
  return defineScript(name, `${SHARED}return checked(function()\n${body}\nend)`);
}

/** `checked` runs the script. Only an error that a script *returns* keeps its code on every engine. */
const SHARED = `
local function decode(text)
  if not text then return {} end
  local ok, value = pcall(cjson.decode, text)
  if not ok or type(value) ~= 'table' or #value > 0 then return {} end
  for field, content in pairs(value) do
    if content == cjson.null then value[field] = nil end
  end
  return value
end
local function whole(n)
  return string.format('%.0f', n)
end
local function variadic(command, key, items, width)
  local chunk = math.floor(1000 / width) * width
  for from = 1, #items, chunk do
    redis.call(command, key, unpack(items, from, math.min(from + chunk - 1, #items)))
  end
end
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
