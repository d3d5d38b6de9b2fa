import { createHash } from 'node:crypto';

/** A Lua script, hashed for EVALSHA. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

/** Names and hashes a script. `lua` is sent as it is; put `LUA_PRELUDE` in front where its helpers are used. */
export function defineScript(name: string, lua: string): Script {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

/**
 * Helpers shared by the scripts.
 *
 * - `decode(json)` answers a table for a JSON object; anything else (nil, broken, an array, a number, null) counts as
 *   empty. A field that is null counts as absent: cjson's null is a value that is true.
 * - `whole(n)` prints a number without exponent: cjson and Lua keep 14 digits, this keeps what a double holds (2^53).
 * - `variadic(command, key, items, width)` sends `items` (a flat list of `width`-tuples) in chunks that `unpack` bears.
 */
export const LUA_PRELUDE = `
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
`;
