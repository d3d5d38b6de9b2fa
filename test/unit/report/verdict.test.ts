import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseEpoch, parseRegister } from '../../../lib/ip/register.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import type { Facts } from '../../../report/facts.ts';
import { reportOf } from '../../../report/report.ts';
import { reasonsOf, verdictOf } from '../../../report/verdict.ts';
import { MINUTE } from '../../support/clock.ts';
import { roundRead } from '../../support/report-states.ts';

const NOW = 1_764_000_000_000;
const UUID = parseUuid('1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b') ?? assert.fail();
const EPOCH = parseEpoch(NOW - 60 * MINUTE);
const STATES = { alive: 2, suspect: 0, dead: 1, new: 0, unknown: 0, unusable: 0 };
const CONSUMERS = { known: 3, heardOf: 0, states: STATES, refused: {}, worst: [], unusable: [] };
const ROUND = roundRead({ at: NOW - MINUTE });

function register(fields: Readonly<Record<string, number | string>> = {}): Facts['register'] {
  const known = {
    current: '203.0.113.7',
    epoch: NOW - 60 * MINUTE,
    since: NOW - 60 * MINUTE,
    checkedAt: NOW - MINUTE,
    verifiedAt: NOW - MINUTE,
    ...fields,
  };
  return parseRegister(Object.entries(known).flatMap(([name, value]) => [name, String(value)])).register;
}

function facts(change: Partial<Facts> = {}): Facts {
  return {
    nowMs: NOW,
    syncEveryMs: 5 * MINUTE,
    checkEveryMs: MINUTE,
    begun: true,
    uuid: UUID,
    quorum: 2,
    operators: 5,
    register: register(),
    poisoned: [],
    wrongTypes: [],
    consumers: CONSUMERS,
    rounds: [ROUND],
    syncRuns: false,
    producers: { known: 2, due: 0, overdue: 0, first: [] },
    notifyRuns: false,
    changes: [],
    ...change,
  };
}

function judged(change: Partial<Facts>): string {
  const reasons = reasonsOf(facts(change));
  return [verdictOf(reasons), ...reasons.map(({ text }) => text)].join(' | ');
}

const row = (state: 'retrying' | 'waiting' | 'again' | 'missing') => ({ uuid: 'u', state, delivery: {} });

describe('the verdict', () => {
  test('is ok where everything is known, recent and as it should be, a dead consumer included', () => {
    assert.equal(judged({}), 'ok');
  });

  test('is unknown while nothing has run', () => {
    assert.match(
      judged({ begun: false, register: parseRegister([]).register, rounds: [] }),
      /^unknown \| nothing has run/i,
    );
  });

  test('is unknown, and not ok, where checks have stopped', () => {
    assert.match(
      judged({ register: register({ checkedAt: NOW - 10 * MINUTE, verifiedAt: NOW - 10 * MINUTE }) }),
      /^unknown \| the address is not being checked: the last check was 10 min ago/i,
    );
  });

  test('is unknown where checks run and find nothing out', () => {
    assert.match(
      judged({ register: register({ verifiedAt: NOW - 30 * MINUTE, unknownChecks: 29 }) }),
      /^unknown \| no check has confirmed 203\.0\.113\.7 for 30 min: 29 checks/i,
    );
  });

  test("is unknown until a check has confirmed the operator's word", () => {
    const word = register();
    assert.match(
      judged({ register: { ...word, verifiedAt: undefined } }),
      /^unknown \| no check has confirmed 203/i,
    );
  });

  test('does not take times in the future for recent ones', () => {
    assert.match(judged({ register: register({ checkedAt: NOW + 10 * MINUTE }) }), /^unknown .*future/i);
    assert.match(judged({ rounds: [{ ...ROUND, at: NOW + 10 * MINUTE }] }), /^unknown .*future/i);
  });

  test('is unknown where rounds have stopped, unless one is running', () => {
    const rounds = [{ ...ROUND, at: NOW - 60 * MINUTE }];
    assert.match(
      judged({ rounds }),
      /^unknown \| consumers are not being called: the last round was 60 min ago, one is due every 5 min/i,
    );
    assert.equal(judged({ rounds, syncRuns: true }), 'ok');
  });

  test('is attention where no round gets through, but not where each makes all the calls it may', () => {
    const short = { ...ROUND, complete: false };
    assert.match(
      judged({
        rounds: [
          { ...short, stopped: ['time'] },
          { ...short, stopped: ['time'] },
        ],
      }),
      /^attention \| the last 2 rounds did not reach every consumer/i,
    );
    assert.match(
      judged({ rounds: [{ ...short, stopped: ['budget', 'time'] }, short] }),
      /^attention \| the last 2 rounds/i,
    );
    const limited: Facts['rounds'][number] = { ...short, stopped: ['budget'] };
    assert.equal(judged({ rounds: [limited, limited] }), 'ok');
  });

  test('is attention for a producer that was not told', () => {
    assert.match(
      judged({ producers: { known: 2, due: 1, overdue: 0, first: [row('retrying')] } }),
      /^attention \| 1 producer not told, 60 min after the change/i,
    );
  });

  test('gives a change a minute on its way', () => {
    const just = register({ since: NOW - 5_000 });
    const producers = { known: 2, due: 2, overdue: 0, first: [row('waiting'), row('waiting')] };
    assert.equal(judged({ register: just, producers }), 'ok');
    assert.match(judged({ producers }), /^attention/i);
  });

  test('counts neither who is told once more nor who is gone', () => {
    assert.equal(
      judged({ producers: { known: 2, due: 2, overdue: 0, first: [row('again'), row('missing')] } }),
      'ok',
    );
  });

  test('is attention where nobody delivers', () => {
    assert.match(
      judged({ producers: { known: 2, due: 2, overdue: 2, first: [] } }),
      /^attention \| 2 deliveries are overdue/i,
    );
  });

  test('is attention where no consumer answers, none is known, or none can be called', () => {
    const none = { ...STATES, alive: 0 };
    assert.match(
      judged({ consumers: { ...CONSUMERS, known: 1, states: none } }),
      /^attention \| no consumer answers/i,
    );
    assert.match(
      judged({ consumers: { ...CONSUMERS, known: 0, states: { ...none, dead: 0 } } }),
      /^attention \| no consumer is known/i,
    );
    assert.match(
      judged({ consumers: { ...CONSUMERS, known: 4, states: { ...none, dead: 0, unusable: 4 } } }),
      /^attention \| no consumer can be called/i,
    );
  });

  test('is unknown where too many are known and no round tells how they are', () => {
    assert.match(
      judged({ consumers: { known: 1_000_000, heardOf: 0, refused: {}, worst: [], unusable: [] } }),
      /^unknown \| the states of the consumers are not known/i,
    );
  });

  test('is attention after rounds that end early, or found our network down', () => {
    const early = { ...ROUND, complete: false };
    assert.equal(judged({ rounds: [early] }), 'ok', 'the next round goes on');
    assert.match(judged({ rounds: [early, early, early] }), /^attention \| the last 3 rounds/i);
    const late = { ...early, stopped: ['time'] as const };
    assert.equal(
      judged({ rounds: [late, late, { ...early, stopped: ['error'] }] }),
      'attention | The last 3 rounds did not reach every consumer: out of time, Redis failed it. docs/SCALING.md says what to set.',
    );
    assert.match(judged({ rounds: [{ ...early, inconclusive: true }] }), /^attention .*network down/i);
  });

  test('tells what is wrong before what is unknown, and all of it', () => {
    const text = judged({ wrongTypes: ['{p2p}:x'], rounds: [{ ...ROUND, at: NOW - 60 * MINUTE }] });
    assert.match(
      text,
      /^attention \| the key \{p2p\}:x .* \| consumers are not being called: the last round was 60 min ago/i,
    );
  });

  test('is attention where too few sources answer for a change to be noticed', () => {
    assert.match(
      judged({ register: register({ answering: 1 }) }),
      /^attention \| a change of the address would not be noticed: 1 of 5 sources answered/i,
    );
    assert.equal(judged({ register: register({ answering: 2 }) }), 'ok');
  });

  test('is attention where returns of the address waited within the last day', () => {
    const flapping = { recent: `203.0.113.9@${NOW - MINUTE}`, dampedAt: NOW - 23 * 60 * MINUTE };
    assert.match(
      judged({ register: register(flapping) }),
      /^attention \| the address goes to and fro between [\d.]+ and 203\.0\.113\.9, .*two uplinks, or two hosts/i,
    );
    assert.equal(judged({ register: register({ ...flapping, dampedAt: NOW - 25 * 60 * MINUTE }) }), 'ok');
  });

  test('is attention where more than half of at least four peers contradict the register', () => {
    const mirror = { here: 1, elsewhere: 3, reached: 1, unreached: 1, at: NOW - MINUTE };
    assert.match(
      judged({ mirror }),
      /^attention \| 3 of 4 peers see our calls come from elsewhere, not from 203/i,
    );
    assert.equal(judged({ mirror: { ...mirror, elsewhere: 2 } }), 'ok', 'three voices are too few');
    assert.equal(judged({ mirror: { ...mirror, at: NOW - 60 * MINUTE } }), 'ok', 'it is long ago');
    const changed = register({ since: NOW - MINUTE + 1 });
    assert.equal(judged({ mirror, register: changed }), 'ok', 'they saw the former address');
    assert.match(
      judged({ mirror: { ...mirror, elsewhere: 0, reached: 3, unreached: 4 } }),
      /^attention \| 4 of 7 peers did not reach our consumer API/i,
    );
  });

  test('does not say that no consumer is known where their key has another type', () => {
    assert.doesNotMatch(
      judged({ wrongTypes: ['{p2p}:consumers'], consumers: { ...CONSUMERS, known: 0 } }),
      /no consumer is known/i,
    );
  });

  test('has a headline that fits a line of 80 columns whole, whatever there is to say', () => {
    const count = fc.nat(9_999_999);
    const producers = fc.nat(999_999);
    const some = fc.record({
      alive: count,
      suspect: count,
      dead: count,
      new: count,
      unknown: count,
      unusable: count,
    });
    fc.assert(
      fc.property(
        fc.record({
          known: count,
          states: fc.option(some, { nil: undefined }),
          told: producers,
          due: producers,
          overdue: producers,
        }),
        fc.boolean(),
        fc.constantFrom(0, MINUTE, 999 * MINUTE),
        ({ known, states, told, due, overdue }, begun, age) => {
          const { verdict, headline } = reportOf(
            facts({
              begun,
              nowMs: NOW + age,
              consumers: {
                known,
                heardOf: 0,
                refused: {},
                worst: [],
                unusable: [],
                ...(states ? { states } : {}),
              },
              producers: { known: told, due, overdue, first: [row('retrying')] },
              mirror: { here: 0, elsewhere: due, reached: 0, unreached: due, at: NOW },
            }),
          );
          // `ATTENTION  ` fits before it on a line of 80 columns.
          assert.ok(verdict.length <= 'attention'.length && headline.length <= 69, headline);
          assert.doesNotMatch(headline, /…/);
        },
      ),
    );
  });

  test('knows the epoch it is given', () => {
    assert.equal(facts().register.epoch, EPOCH);
  });
});
