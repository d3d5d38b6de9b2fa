import * as v from 'valibot';
import { parseUuid } from '../peers/uuid.ts';
import { encodeHealth } from './health-record.ts';
import { storeScript } from './lua.ts';
import { listOf, repliesTo, wholeOf } from './replies.ts';
import type { Candidate, Discovery, RoundStore, SlotClaim } from './rounds.ts';
import type { Session } from './session.ts';

/** In how many slots candidates live. Bounds what strangers can have us keep, whatever they tell. */
export const SLOTS = 1_024;
/** A candidate that has failed so often frees its slot. */
export const DROPPED_AFTER_FAILURES = 3;
const LONGEST_JSON = 1_000;

/** How many candidates a hash of so many fields holds at most: one field is the secret. */
export function candidatesIn(fields: number): number {
  return Math.max(0, fields - 1);
}

/**
 * Has candidates take slots: a slot that is free, or whose occupant has failed, and never from the same uuid at the same
 * address. A uuid that is in `consumers` is of interest only while it is dead. Repeatable.
 *
 * KEYS: consumers, health, candidates.
 * ARGV: four a claim: slot, uuid, address, the JSON of the new candidate.
 * Answers the slots that were taken.
 */
const LEARN = storeScript(
  'learn',
  `
-- The same rule as decodeCandidate: nobody would ever probe anything else, and free its slot.
local function is_usable(occupant, json)
  local failures = occupant.failures
  return json and #json <= ${LONGEST_JSON} and not string.find(json, '[^ -~]')
    and type(occupant.uuid) == 'string' and string.find(occupant.uuid, UUID) and type(occupant.address) == 'string'
    and type(occupant.from) == 'string' and type(occupant.at) == 'number'
    and type(failures) == 'number' and failures >= 0 and failures % 1 == 0
end
local slots, spellings = {}, {}
for i = 1, #ARGV, 4 do
  slots[#slots + 1] = ARGV[i]
  spellings[#spellings + 1] = ARGV[i + 1]
  spellings[#spellings + 1] = string.upper(ARGV[i + 1])
end
local occupants = read_fields(KEYS[3], slots)
local addresses, healths = read_fields(KEYS[1], spellings), read_fields(KEYS[2], spellings)
local taken, learned, claimed = {}, {}, {}
for n, slot in ipairs(slots) do
  local uuid, address, json = unpack(ARGV, n * 4 - 2, n * 4)
  local wanted = true
  for spelling = 2 * n - 1, 2 * n do
    if addresses[spelling] and decode(healths[spelling]).state ~= 'dead' then wanted = false end
  end
  local occupant = decode(occupants[n])
  local stays = is_usable(occupant, occupants[n]) and (occupant.failures == 0
    or (occupant.uuid == uuid and occupant.address == address))
  if wanted and not stays and not claimed[slot] then
    claimed[slot] = true
    taken[#taken + 1] = slot
    learned[#learned + 1] = slot
    learned[#learned + 1] = json
  end
end
variadic('HSET', KEYS[3], learned, 2)
return taken
`,
);

/**
 * Writes what the probes of candidates, and of homes, came to, while the round holds the lease and each candidate is as it
 * was read. A newcomer becomes a consumer only if its uuid is still absent; an entry gets another address only if it still
 * has the one that was read, and by hearsay only if it still is dead. Repeatable: what was done has changed what it
 * depends on.
 *
 * KEYS: lease, consumers, health, candidates.
 * ARGV: token, then seven values a change: what to do (`promote`, `move`, `return`, `keep`, `drop`), the slot (empty: none), what
 * stands in it, the field in `consumers`, its present address, the new address, and JSON: new health, or what the slot
 * gets with `keep`.
 * Answers `{1, promoted fields, moved fields}`, or `{0}` if the lease is not ours.
 */
const SETTLE = storeScript(
  'settle-candidates',
  `
local WIDTH = 7
if text_of(KEYS[1]) ~= ARGV[1] then return {0} end
local slots, fields = {}, {}
for i = 2, #ARGV, WIDTH do
  slots[#slots + 1] = ARGV[i + 1]
  fields[#fields + 1] = ARGV[i + 3]
  fields[#fields + 1] = string.upper(ARGV[i + 3])
end
local occupants, addresses = read_fields(KEYS[4], slots), read_fields(KEYS[2], fields)
local healths = read_fields(KEYS[3], fields)

local consumers, health, kept, gone, promoted, moved = {}, {}, {}, {}, {}, {}
local function add(items, a, b)
  items[#items + 1] = a
  items[#items + 1] = b
end
for n, slot in ipairs(slots) do
  local act, _, stored, field, from, to, json = unpack(ARGV, (n - 1) * WIDTH + 2, n * WIDTH + 1)
  local present = addresses[2 * n - 1]
  if slot == '' or occupants[n] == stored then
    if act == 'keep' then add(kept, slot, json) elseif slot ~= '' then gone[#gone + 1] = slot end
    local new = act == 'promote' and not present and not addresses[2 * n]
    local elsewhere = (act == 'return' or (act == 'move' and decode(healths[2 * n - 1]).state == 'dead'))
      and present == from
    if new or elsewhere then
      add(consumers, field, to)
      add(health, field, json)
      local done = new and promoted or moved
      done[#done + 1] = field
      addresses[2 * n - 1] = to
    end
  end
end
variadic('HSET', KEYS[3], health, 2)
variadic('HSET', KEYS[2], consumers, 2)
variadic('HSET', KEYS[4], kept, 2)
variadic('HDEL', KEYS[4], gone, 1)
return {1, promoted, moved}
`,
);

/** What a round reads and writes about those that it only heard of. */
export function createCandidateStore(session: Session): Pick<RoundStore, 'learn' | 'settle'> {
  const { keys } = session;
  return {
    async learn(claims) {
      if (claims.length === 0) return [];
      const candidates = claims.map(candidateOf);
      const [slots] = await repliesTo(session.redis, [
        {
          script: LEARN,
          keys: [keys.consumers, keys.health, keys.candidates],
          args: candidates.flatMap(({ slot, uuid, address, stored }) => [slot, uuid, address, stored]),
        },
      ]);
      const taken = new Set(listOf(slots).map(Number));
      return candidates.filter(({ slot }) => taken.has(slot));
    },
    async settle(changes) {
      if (changes.length === 0) return { promoted: [], moved: [] };
      const reply = await session.write({
        script: SETTLE,
        keys: [keys.consumers, keys.health, keys.candidates],
        args: changes.flatMap(settleArgs),
      });
      if (reply === undefined) return 'lease-lost';
      return { promoted: listOf(reply[1]).map(String), moved: listOf(reply[2]).map(String) };
    },
  };
}

function settleArgs(change: Discovery): (string | number)[] {
  switch (change.kind) {
    case 'promote': {
      const { candidate, health } = change;
      return act('promote', candidate, [candidate.uuid, '', health.address, encodeHealth(health)]);
    }
    case 'move':
    case 'return': {
      const { field, from, health } = change.move;
      const candidate = change.kind === 'move' ? change.candidate : undefined;
      return act(change.kind, candidate, [field, from, health.address, encodeHealth(health)]);
    }
    case 'failed': {
      const { candidate, at } = change;
      const failures = candidate.failures + 1;
      if (failures >= DROPPED_AFTER_FAILURES) return act('drop', candidate);
      return act('keep', candidate, ['', '', '', encodeCandidate({ ...candidate, at, failures })]);
    }
    case 'drop':
      return act('drop', change.candidate);
  }
}

/** The seven values of a change; `entry` is its field, present and new address, and the JSON. */
function act(what: string, candidate: Candidate | undefined, entry = ['', '', '', '']): (string | number)[] {
  return [what, candidate?.slot ?? '', candidate?.stored ?? '', ...entry];
}

/** The candidate that a claim becomes where it takes its slot. */
export function candidateOf(claim: SlotClaim): Candidate {
  const { at, ...named } = claim;
  return { ...named, failures: 0, stored: encodeCandidate({ ...claim, failures: 0 }) };
}

export function encodeCandidate({
  uuid,
  address,
  from,
  at,
  failures,
}: Pick<Candidate, 'uuid' | 'address' | 'from' | 'failures'> & { readonly at: number }): string {
  return JSON.stringify({ uuid, address, from, at, failures });
}

/** Reads what a slot holds, which may be anything: undefined unless it is a candidate of ours. */
export function decodeCandidate(field: string, json: string): Candidate | undefined {
  const slot = wholeOf(field) ?? SLOTS;
  const parsed = v.safeParse(STORED, json);
  if (slot >= SLOTS || String(slot) !== field || !parsed.success) return undefined;
  const { uuid: text, address, from, failures } = parsed.output;
  const uuid = parseUuid(text);
  return uuid && { slot, uuid, address, from, failures, stored: json };
}

const STORED = v.pipe(
  v.string(),
  v.maxLength(LONGEST_JSON),
  // What we write. Other bytes may not come back as they are, and then nothing could change the record.
  v.regex(/^[ -~]*$/),
  v.parseJson(),
  v.object({
    uuid: v.string(),
    address: v.string(),
    from: v.string(),
    at: v.number(),
    failures: v.pipe(v.number(), v.integer(), v.minValue(0)),
  }),
);
