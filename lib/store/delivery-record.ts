import * as v from 'valibot';

/** Fields of a record that are whole numbers, in the order in which they are written. Times are Redis's milliseconds. */
export const NUMBERS = [
  'ackedEpoch', // the change that the producer last acknowledged
  'ackedAt', // when it first acknowledged that one
  'attempts', // how many attempts of the epoch in `leaseEpoch` came to an end
  'firstAt', // when the first attempt of that epoch was claimed
  'leaseEpoch', // the epoch of the last claim; it stays when the lease goes
  'leaseEnd', // when the lease ends; this decides, not the score in `deliveries:due`
  'ambiguousEpoch', // the lowest epoch of the attempts that may still arrive
  'ambiguousAt', // when the last of those attempts ended
  'missed', // how many looks in a row did not find the producer in `producers`
] as const;
/** Fields of a record that are texts. */
export const TEXTS = [
  'address', // where it was last called
  'lastStatus', // what the last attempt came to: an HTTP status in digits, or a class like `timeout`
  'lease', // the token of the claim that holds it; with it the producer is a member of `deliveries:due`
] as const;

/**
 * The record of one producer in the hash `deliveries`: its copy of a change. Claim and settle write it. A commit only
 * resets `missed`, and removes records that nobody needs.
 */
export type Delivery = Readonly<
  Partial<Record<(typeof NUMBERS)[number], number> & Record<(typeof TEXTS)[number], string>>
>;

/** An ambiguous attempt may take effect this long after its end. A success that was claimed later than that settles it. */
export const AMBIGUITY_MS = 60_000;

/**
 * No lease is longer than this: the longest `NOTIFY_TIMEOUT_MS`, 60 s, makes one of 140 s, and 10 s are for clocks that
 * differ. A lease of a delivery that ends later, and a `lease:notify` that lives longer or for ever, is damage and does
 * not count.
 */
export const LONGEST_LEASE_MS = 150_000;

/**
 * No delivery is due later than this: the longest interval is an hour, and a minute is for clocks that differ. A score
 * beyond it was written while Redis's clock was ahead, or by somebody else. It counts as due now.
 */
export const LONGEST_WAIT_MS = 61 * 60_000;

/**
 * How long a delivery is leased, and `lease:notify` too: two deadlines and 20 s. A request that starts late under the
 * lease then still ends, and is settled, before anybody else may take the delivery.
 */
export function leaseMs(notifyTimeoutMs: number): number {
  return 2 * notifyTimeoutMs + 20_000;
}

const whole = v.fallback(v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), undefined);
const text = v.fallback(v.optional(v.string()), undefined);
const FIELDS = v.object({ ...v.entriesFromList(NUMBERS, whole), ...v.entriesFromList(TEXTS, text) });
const RECORD = v.fallback(v.pipe(v.string(), v.parseJson(), FIELDS), {});

/** Reads a record. A field that cannot be used counts as absent, and an undecodable record as empty. Never throws. */
export function decodeDelivery(json: unknown): Delivery {
  const known = Object.entries(v.parse(RECORD, json)).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known);
}

const luaList = (names: readonly string[]) => `{${names.map((name) => `'${name}'`).join(', ')}}`;

/**
 * Reading and writing such a record in a script; put it in front of its body.
 *
 * - `read_delivery(json)`: a table with the usable fields. What cannot be used counts as absent.
 * - `write_delivery(record)`: JSON, with numbers that have no exponent.
 * - `note_ambiguous(record, epoch, at)`: keeps the lowest epoch and the latest end.
 */
export const LUA_DELIVERY = `
local NUMBERS = ${luaList(NUMBERS)}
local TEXTS = ${luaList(TEXTS)}
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
