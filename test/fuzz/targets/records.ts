import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseRegister } from '../../../lib/ip/register.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import type { Reply } from '../../../lib/redis/redis.ts';
import {
  DROPPED_AFTER_FAILURES,
  decodeCandidate,
  encodeCandidate,
  SLOTS,
} from '../../../lib/store/candidates.ts';
import { decodeDelivery, NUMBERS, TEXTS } from '../../../lib/store/delivery-record.ts';
import {
  decodeHealth,
  encodeHealth,
  HEALTH_ERRORS,
  LONGEST_PAUSE_MS,
  RECENT_OUTCOMES,
  readOutcomes,
} from '../../../lib/store/health-record.ts';
import { decodePartState, encodePartState, MOST_WORST } from '../../../lib/store/part-state.ts';
import type { ProbeResult } from '../../../lib/sync/answer.ts';
import { chooseCandidates, MOST_CANDIDATE_PROBES } from '../../../lib/sync/candidates.ts';
import { healthAfterAnswer, healthAfterFailure, isDue, probedAt, stateOf } from '../../../lib/sync/health.ts';
import {
  addressText,
  anyText,
  callableIp,
  damaged,
  FUZZ_NOW_MS,
  jsonNear,
  mostly,
  nasty,
  nearly,
  time,
  uuid,
} from '../../support/arbitraries.ts';
import { NOT_PUBLIC } from '../../support/special-purpose.ts';
import { target } from '../target.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const canonical = fc.oneof(
  fc.ipV4().map((ip) => `${ip}:80`),
  fc.constant('[2a00:1450:4001:8000:8000:8000:8000:2000]:65535'),
);
const probe: fc.Arbitrary<ProbeResult> = fc.oneof(
  fc.record({
    kind: fc.constant('alive' as const),
    rttMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    named: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('busy' as const),
    rttMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    named: fc.boolean(),
    retryAfterMs: fc.nat(10 ** 9),
  }),
  fc.record({ kind: fc.constant('failed' as const), error: fc.constantFrom(...HEALTH_ERRORS) }),
);

const HEALTH = target(
  'health',
  fc.record({
    json: jsonNear(
      nearly({
        state: fc.constantFrom('alive', 'suspect', 'dead'),
        address: canonical,
        since: time,
        lastOk: time,
        lastError: fc.constantFrom(...HEALTH_ERRORS),
        lastFail: time,
        rtt: fc.nat(20_000),
        fails: fc.nat(10_000),
        counted: fc.nat(10_000),
        failures: fc.nat(10_000),
        named: fc.constant(true),
        home: canonical,
        homeDue: time,
        due: time,
        recent: fc.string({ unit: fc.constantFrom(...'AZaz09-_'), minLength: 20, maxLength: 20 }),
      }),
    ),
    result: probe,
    address: canonical,
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
  ({ json, result, address, random }) => {
    const record = decodeHealth(json, FUZZ_NOW_MS);
    if (record !== undefined) {
      assert.deepEqual(decodeHealth(encodeHealth(record), FUZZ_NOW_MS), record);
      assert.ok((record.due ?? 0) <= FUZZ_NOW_MS + 60_000 + LONGEST_PAUSE_MS, 'nobody is put off for ever');
      assert.ok(readOutcomes(record.recent).length <= RECENT_OUTCOMES);
    }
    assert.ok(['new', 'alive', 'suspect', 'dead'].includes(stateOf(record)));
    assert.equal(typeof isDue(record, { at: FUZZ_NOW_MS, intervalMs: 300_000 }), 'boolean');
    assert.ok(probedAt(record) <= FUZZ_NOW_MS + 60_000);
    const probed = { address, nowMs: FUZZ_NOW_MS, intervalMs: 300_000, random };
    const next =
      result.kind === 'failed'
        ? healthAfterFailure(record, result.error, random < 0.5, probed)
        : healthAfterAnswer(record, result, probed);
    const written = encodeHealth(next);
    assert.ok(written.length < 400, `${written.length} bytes: ${written}`);
    assert.deepEqual(decodeHealth(written, FUZZ_NOW_MS), next, 'what is written is read back');
    return record !== undefined;
  },
);

const OURS = '00000000-0000-4000-8000-000000000001';
const CANDIDATES = target(
  'candidates',
  fc.array(
    fc.tuple(
      fc.oneof(
        { weight: 9, arbitrary: fc.nat(SLOTS + 10).map(String) },
        { weight: 1, arbitrary: damaged(uuid) },
      ),
      jsonNear(
        nearly({
          uuid: fc.oneof({ weight: 9, arbitrary: uuid }, { weight: 1, arbitrary: fc.constant(OURS) }),
          address: addressText,
          from: uuid,
          at: time,
          failures: fc.nat(DROPPED_AFTER_FAILURES),
        }),
      ),
    ),
    { maxLength: 8 },
  ),
  (pairs) => {
    const given = new Map(pairs);
    const candidates = [...given].flatMap(([slot, json]) => decodeCandidate(slot, json) ?? []);
    const { chosen, useless } = chooseCandidates(candidates, {
      policy,
      random: () => 0.5,
      isOurs: (each) => each === OURS,
      most: MOST_CANDIDATE_PROBES,
      inNetworks: new Map(),
    });
    assert.equal(chosen.length + useless.length, candidates.length, 'each is one or the other');
    for (const { candidate, address } of chosen) {
      const { slot, stored } = candidate;
      assert.ok(slot >= 0 && slot < SLOTS);
      assert.equal(parseUuid(candidate.uuid), candidate.uuid);
      assert.notEqual(candidate.uuid, OURS);
      assert.equal(stored, given.get(String(slot)), 'what a script compares is what was read');
      assert.ok(!NOT_PUBLIC.has(address.ip), `${address.ip} is probed`);
      const again = decodeCandidate(String(slot), encodeCandidate({ ...candidate, at: 1 }));
      assert.deepEqual({ ...again, stored }, candidate);
    }
    return chosen.length > 0;
  },
);

const DELIVERY = target(
  'delivery',
  mostly(
    jsonNear(
      nearly({
        ...Object.fromEntries(NUMBERS.map((name) => [name, time])),
        ...Object.fromEntries(TEXTS.map((name) => [name, anyText])),
      }),
    ),
  ),
  (json) => {
    const delivery = decodeDelivery(json);
    const [numbers, texts]: (readonly string[])[] = [NUMBERS, TEXTS];
    for (const [name, value] of Object.entries(delivery)) {
      if (texts?.includes(name)) assert.equal(typeof value, 'string');
      else assert.ok(numbers?.includes(name) && Number.isSafeInteger(value) && Number(value) >= 0, name);
    }
    assert.deepEqual(decodeDelivery(JSON.stringify(delivery)), delivery);
    assert.ok(JSON.stringify(delivery).length <= 6 * String(json).length + 20, 'it does not grow');
    return Object.keys(delivery).length > 0;
  },
);

const REGISTER_FIELDS = ['current', 'previous', 'epoch', 'since', 'ticket', 'recorded', 'candidate'].concat([
  'candidateChecks',
  'candidateAt',
  'checkedAt',
  'verifiedAt',
  'unknownChecks',
  'warnedAt',
  'answering',
  'recent',
  'returns',
  'returnsAt',
  'dampedAt',
]);
const WHOLE_REGISTER = {
  ...Object.fromEntries(REGISTER_FIELDS.map((name) => [name, time.map(String)])),
  current: fc.oneof(callableIp, addressText),
  previous: addressText,
  candidate: fc.oneof(callableIp, addressText),
  candidateChecks: fc.nat(3).map(String),
  recent: fc
    .array(fc.tuple(callableIp, time), { maxLength: 9 })
    .map((list) => list.map((pair) => pair.join('@')).join(' ')),
};
const REGISTER = target(
  'register',
  mostly(
    fc.oneof(
      nearly(WHOLE_REGISTER).map((fields) => Object.entries(fields).flat()),
      fc.array(fc.oneof(fc.constantFrom(...REGISTER_FIELDS), addressText, time.map(String), nasty), {
        maxLength: 20,
      }),
    ),
  ),
  (reply) => {
    const { register, poisoned } = parseRegister(reply as Reply);
    assert.ok(poisoned.every((name) => REGISTER_FIELDS.includes(name)));
    const { current, previous, epoch, candidate, recent, ...numbers } = register;
    for (const ip of [current, previous, candidate?.ip, ...recent.map((former) => former.ip)]) {
      if (ip !== undefined) assert.equal(parseIp(ip), ip);
    }
    assert.ok(current === undefined || epoch !== undefined, 'an address without an epoch is none');
    for (const value of [
      epoch,
      candidate?.at,
      ...recent.map(({ until }) => until),
      ...Object.values(numbers),
    ]) {
      assert.ok(value === undefined || (Number.isSafeInteger(value) && value >= 0));
    }
    assert.ok(candidate === undefined || [1, 2].includes(candidate.checks));
    return current !== undefined;
  },
);

const CURSOR = target(
  'cursor',
  mostly(
    fc.oneof(
      damaged(fc.tuple(fc.nat(), time).map(([cursor, passAt]) => `${cursor}@${passAt}`)),
      damaged(
        fc
          .record({
            position: fc.record({
              cursor: fc.nat().map(String),
              passAt: time,
              after: fc.nat(2 ** 31),
              lap: fc.constantFrom(1 as const, 2 as const),
            }),
            tries: fc.constant({ '4far': { tried: 3, failed: 1 } }),
            sourced: fc.constant([4 as const]),
            outage: fc.boolean(),
            worst: fc.array(fc.tuple(fc.uuid(), fc.nat(), time), { maxLength: MOST_WORST }),
          })
          .map((state) => encodePartState(state)),
      ),
      anyText,
    ),
  ),
  (stored) => {
    const state = decodePartState(stored, FUZZ_NOW_MS);
    const { cursor, passAt } = state.position ?? { cursor: '0', passAt: 0 };
    assert.ok(cursor.length >= 1 && cursor.length <= 64);
    assert.ok(passAt >= 0 && passAt <= FUZZ_NOW_MS, 'a pass does not begin in the future');
    assert.deepEqual(decodePartState(encodePartState(state), FUZZ_NOW_MS), state);
    return state.position !== undefined;
  },
);

export const RECORDS = [HEALTH, CANDIDATES, DELIVERY, REGISTER, CURSOR];
