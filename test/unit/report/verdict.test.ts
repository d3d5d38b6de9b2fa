import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseEpoch, parseRegister } from '../../../lib/ip/register.ts';
import type { Facts } from '../../../report/facts.ts';
import { reasonsOf, verdictOf } from '../../../report/verdict.ts';

const NOW = 1_764_000_000_000;
const MINUTE = 60_000;
const EPOCH = parseEpoch(NOW - 60 * MINUTE);
const STATES = { alive: 2, suspect: 0, dead: 1, new: 0, unknown: 0, self: 0, unusable: 0 };
const ROUND: Facts['rounds'][number] = {
  at: NOW - MINUTE,
  shards: 1,
  of: 1,
  complete: true,
  inconclusive: false,
  resumed: false,
  stopped: [],
  probes: 3,
  states: { new: 0, alive: 2, suspect: 0, dead: 1 },
  errors: {},
  skipped: {},
  promoted: 0,
  moved: 0,
  learned: 0,
  shardsLost: 0,
  durationMs: 1_000,
};

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
    register: register(),
    poisoned: [],
    wrongTypes: [],
    consumers: { known: 3, heardOf: 0, states: STATES },
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
      /^unknown \| nothing has run/,
    );
  });

  test('is unknown, and not ok, where checks have stopped', () => {
    assert.match(
      judged({ register: register({ checkedAt: NOW - 10 * MINUTE, verifiedAt: NOW - 10 * MINUTE }) }),
      /^unknown \| the address is not being checked: the last check was 10 min ago/,
    );
  });

  test('is unknown where checks run and find nothing out', () => {
    assert.match(
      judged({ register: register({ verifiedAt: NOW - 30 * MINUTE, unknownChecks: 29 }) }),
      /^unknown \| 203\.0\.113\.7 is unconfirmed since 30 min; 29 checks/,
    );
  });

  test("is unknown until a check has confirmed the operator's word", () => {
    const word = register();
    assert.match(
      judged({ register: { ...word, verifiedAt: undefined } }),
      /^unknown \| no check has confirmed 203/,
    );
  });

  test('does not take times in the future for recent ones', () => {
    assert.match(judged({ register: register({ checkedAt: NOW + 10 * MINUTE }) }), /^unknown .*future/);
    assert.match(judged({ rounds: [{ ...ROUND, at: NOW + 10 * MINUTE }] }), /^unknown .*future/);
  });

  test('is unknown where rounds have stopped, unless one is running', () => {
    const rounds = [{ ...ROUND, at: NOW - 60 * MINUTE }];
    assert.match(
      judged({ rounds }),
      /^unknown \| consumers are not being called: the last round was 60 min ago, one is due every 5 min/,
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
      /^attention \| the last 2 rounds did not reach every consumer/,
    );
    assert.match(
      judged({ rounds: [{ ...short, stopped: ['budget', 'time'] }, short] }),
      /^attention \| the last 2 rounds/,
    );
    const limited: Facts['rounds'][number] = { ...short, stopped: ['budget'] };
    assert.equal(judged({ rounds: [limited, limited] }), 'ok');
  });

  test('is attention for a producer that was not told', () => {
    assert.match(
      judged({ producers: { known: 2, due: 1, overdue: 0, first: [row('retrying')] } }),
      /^attention \| 1 producer not told, 60 min after the change/,
    );
  });

  test('gives a change a minute on its way', () => {
    const just = register({ since: NOW - 5_000 });
    const producers = { known: 2, due: 2, overdue: 0, first: [row('waiting'), row('waiting')] };
    assert.equal(judged({ register: just, producers }), 'ok');
    assert.match(judged({ producers }), /^attention/);
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
      /^attention \| 2 deliveries overdue/,
    );
  });

  test('is attention where no consumer answers, none is known, or none can be called', () => {
    const none = { ...STATES, alive: 0 };
    assert.match(
      judged({ consumers: { known: 1, heardOf: 0, states: none } }),
      /^attention \| no consumer answers/,
    );
    assert.match(
      judged({ consumers: { known: 0, heardOf: 0, states: { ...none, dead: 0 } } }),
      /^attention \| no consumer is known/,
    );
    assert.match(
      judged({ consumers: { known: 4, heardOf: 0, states: { ...none, dead: 0, unusable: 4 } } }),
      /^attention \| no consumer can be called/,
    );
  });

  test('is unknown where too many are known and no round tells how they are', () => {
    assert.match(
      judged({ consumers: { known: 1_000_000, heardOf: 0 } }),
      /^unknown \| how the consumers are is not known/,
    );
  });

  test('is attention after rounds that end early, or found our network down', () => {
    const early = { ...ROUND, complete: false };
    assert.equal(judged({ rounds: [early] }), 'ok', 'the next round goes on');
    assert.match(judged({ rounds: [early, early, early] }), /^attention \| the last 3 rounds/);
    assert.match(judged({ rounds: [{ ...early, inconclusive: true }] }), /^attention .*network down/);
  });

  test('tells what is wrong before what is unknown, and all of it', () => {
    const text = judged({ wrongTypes: ['{p2p}:x'], rounds: [] });
    assert.match(
      text,
      /^attention \| the key \{p2p\}:x .* \| consumers are not being called: there was no round yet/,
    );
  });

  test('knows the epoch it is given', () => {
    assert.equal(facts().register.epoch, EPOCH);
  });
});
