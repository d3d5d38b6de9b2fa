/**
 * Reading and writing a delivery's record in a script; goes behind `LUA_PRELUDE`.
 *
 * - `read_delivery(json)`: a table with the usable fields. What is broken counts as absent.
 * - `write_delivery(record)`: JSON, numbers without exponent. `ackedEpoch` and `ackedAt` come first: the settle counts
 *   acknowledgements by that, without decoding a hundred thousand records.
 * - `note_ambiguous(record, epoch, at)`: the lowest epoch and the latest end are kept.
 */
export const DELIVERY_LUA = `
local NUMBERS = {
  'ackedEpoch', 'ackedAt', 'attempts', 'firstAt', 'leaseEpoch', 'leaseEnd', 'ambiguousEpoch', 'ambiguousAt', 'missingSince',
}
local TEXTS = {'address', 'lastStatus', 'lease'}
local function read_delivery(json)
  local raw, record = decode(json), {}
  for _, name in ipairs(NUMBERS) do
    local value = raw[name]
    if type(value) == 'number' and value >= 0 and value < 9007199254740992 then record[name] = math.floor(value) end
  end
  for _, name in ipairs(TEXTS) do
    if type(raw[name]) == 'string' then record[name] = raw[name] end
  end
  return record
end
local function write_delivery(record)
  local fields = {}
  for _, name in ipairs(NUMBERS) do
    if record[name] then fields[#fields + 1] = '"' .. name .. '":' .. whole(record[name]) end
  end
  for _, name in ipairs(TEXTS) do
    if record[name] then fields[#fields + 1] = '"' .. name .. '":' .. cjson.encode(record[name]) end
  end
  return '{' .. table.concat(fields, ',') .. '}'
end
local function note_ambiguous(record, epoch, at)
  record.ambiguousEpoch = math.min(record.ambiguousEpoch or epoch, epoch)
  record.ambiguousAt = math.max(record.ambiguousAt or at, at)
end
`;

/**
 * The register's address and epoch; goes behind `LUA_PRELUDE`. `read_register(key)` answers `current, epoch, previous`
 * (the last is false if there is none), or nil while there is no usable pair of the first two: then there is nothing to
 * tell anybody.
 */
export const REGISTER_LUA = `
local function read_register(key)
  local fields = redis.call('HMGET', key, 'current', 'epoch', 'previous')
  local current, epoch = fields[1], fields[2]
  if not current or #current > 45 or not string.find(current, '^[%x.:]+$') then return nil end
  if not epoch or #epoch > 15 or not string.find(epoch, '^%d+$') then return nil end
  if tonumber(epoch) == 0 then return nil end
  return current, tonumber(epoch), fields[3] and #fields[3] <= 45 and fields[3]
end
`;
