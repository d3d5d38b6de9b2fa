import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  answersOf,
  confirm,
  judge,
  type Known,
  mayAskOne,
  RETURN_WINDOW_MS,
  type Verdict,
} from '../../../lib/ip/decide.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import { BEFORE, NEW, OLD, OTHER, votes } from '../../support/votes.ts';

const NOW = 1_764_000_000_000;
const LONG_AGO = NOW - 10 * RETURN_WINDOW_MS;
const known: Known = { current: OLD, previous: BEFORE, since: LONG_AGO };
const nothing: Known = { current: undefined, previous: undefined, since: undefined };

type Said = Readonly<Record<string, Ip | '?'>>;

const TABLE: readonly [
  sentence: string,
  said: Said,
  quorum: number,
  known: Known,
  verdict: Verdict['kind'],
][] = [
  [
    'two operators and a majority for the current address are a quorum',
    { a: OLD, b: OLD, c: '?' },
    2,
    known,
    'quorum',
  ],
  [
    'one voice for the current address among failures is only a voice',
    { a: OLD, b: '?', c: '?' },
    2,
    known,
    'voice',
  ],
  ['a quorum for the current address outvotes a liar', { a: OLD, b: OLD, c: NEW }, 2, known, 'quorum'],
  ['half of the answers for the current address are not a majority', { a: OLD, b: NEW }, 1, known, 'unknown'],
  [
    'a majority without quorum for the current address is only a voice',
    { a: OLD, b: OLD, c: NEW },
    3,
    known,
    'voice',
  ],
  ['one operator alone changes nothing', { a: NEW, b: '?', c: '?' }, 2, known, 'unknown'],
  ['one liar against one truth is unknown', { a: NEW, b: OLD, c: '?' }, 2, known, 'unknown'],
  ['two operators change', { a: NEW, b: NEW, c: '?' }, 2, known, 'change'],
  ['all operators change', { a: NEW, b: NEW, c: NEW }, 2, known, 'change'],
  [
    'an operator that still reports the current address contests',
    { a: NEW, b: NEW, c: OLD },
    2,
    known,
    'counts',
  ],
  [
    'an operator that reports a third address does not contest',
    { a: NEW, b: NEW, c: OTHER },
    2,
    known,
    'change',
  ],
  [
    'a quorum that is just half of the answers is no majority',
    { a: NEW, b: NEW, c: OLD, d: OLD },
    2,
    known,
    'unknown',
  ],
  ['three camps without a majority are unknown', { a: NEW, b: OLD, c: OTHER }, 1, known, 'unknown'],
  ['no answer at all is unknown, not a change', { a: '?', b: '?', c: '?' }, 2, known, 'unknown'],
  ['no votes are unknown', {}, 1, known, 'unknown'],
  ['two services of one operator are one vote', { 'a/1': NEW, 'a/2': NEW, b: '?' }, 2, known, 'unknown'],
  [
    'an operator whose services disagree is unknown',
    { 'a/1': NEW, 'a/2': OLD, b: NEW, c: NEW },
    2,
    known,
    'change',
  ],
  [
    'an operator of which one service fails speaks by the other',
    { 'a/1': NEW, 'a/2': '?', b: NEW },
    2,
    known,
    'change',
  ],
  ['with exactly two operators both must agree', { a: NEW, b: '?' }, 2, known, 'unknown'],
  ['the first address needs the same quorum', { a: NEW, b: '?', c: '?' }, 2, nothing, 'unknown'],
  ['the first address with quorum and majority is new', { a: NEW, b: NEW, c: OTHER }, 2, nothing, 'change'],
  [
    'nobody can contest the first address by reporting nothing',
    { a: NEW, b: NEW, c: '?' },
    2,
    nothing,
    'change',
  ],
  ['a static source is a quorum of one', { static: NEW }, 1, known, 'change'],
  ['a static source that names the current address keeps it', { static: OLD }, 1, known, 'quorum'],
  [
    'the previous address within 10 minutes of the change is a return',
    { a: BEFORE, b: BEFORE },
    2,
    { ...known, since: NOW - RETURN_WINDOW_MS + 1 },
    'counts',
  ],
  [
    'the previous address after 10 minutes is new like any other',
    { a: BEFORE, b: BEFORE },
    2,
    { ...known, since: NOW - RETURN_WINDOW_MS },
    'change',
  ],
  [
    'another address within 10 minutes of the change is no return',
    { a: NEW, b: NEW },
    2,
    { ...known, since: NOW - 1 },
    'change',
  ],
  [
    'the previous address of a register that does not know since when is new like any other',
    { a: BEFORE, b: BEFORE },
    2,
    { ...known, since: undefined },
    'change',
  ],
];

for (const [sentence, said, quorum, register, expected] of TABLE) {
  test(sentence, () => {
    assert.equal(judge(votes(said), register, quorum, NOW).kind, expected);
  });
}

test('a return that is contested too counts as one of three', () => {
  const verdict = judge(votes({ a: BEFORE, b: BEFORE, c: OLD }), { ...known, since: NOW - 1 }, 2, NOW);
  assert.deepEqual(verdict, { kind: 'counts', ip: BEFORE });
});

test('one voice may be asked only while there is an address, no candidate, and a quorum answers', () => {
  const settled = { current: OLD, candidate: undefined, answering: undefined };
  assert.equal(mayAskOne(settled, 2), true);
  assert.equal(mayAskOne({ ...settled, answering: 2 }, 2), true);
  assert.equal(mayAskOne({ ...settled, answering: 1 }, 2), false);
  assert.equal(mayAskOne({ ...settled, candidate: { ip: NEW, checks: 1, at: NOW } }, 2), false);
  assert.equal(mayAskOne({ ...settled, current: undefined }, 2), false);
});

test('a second look that shows the same address decides, and one that shows anything else is unknown', () => {
  for (const kind of ['change', 'counts'] as const) {
    assert.deepEqual(confirm(NEW, { kind, ip: NEW }), { kind, ip: NEW });
    assert.deepEqual(confirm(NEW, { kind, ip: OTHER }), { kind: 'unknown' });
  }
  for (const kind of ['quorum', 'voice', 'unknown'] as const) {
    assert.deepEqual(confirm(NEW, { kind }), { kind: 'unknown' });
  }
});

const anIp = fc.constantFrom(OLD, NEW, OTHER, BEFORE);
const anAnswer: fc.Arbitrary<Ip | '?'> = fc.oneof(anIp, fc.constant<'?'>('?'));
const aSource = fc
  .tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.constantFrom('1', '2'))
  .map(([operator, service]) => `${operator}/${service}`);
const someVotes = fc.dictionary(aSource, anAnswer).map((said) => votes(said));
const aKnown = fc.record({
  current: fc.option(anIp, { nil: undefined }),
  previous: fc.option(anIp, { nil: undefined }),
  since: fc.option(fc.integer({ min: NOW - 2 * RETURN_WINDOW_MS, max: NOW }), { nil: undefined }),
});
const aQuorum = fc.integer({ min: 1, max: 4 });

test('whoever changes the address is a quorum of operators and a strict majority of the answers', () => {
  fc.assert(
    fc.property(someVotes, aKnown, aQuorum, (cast, register, quorum) => {
      const verdict = judge(cast, register, quorum, NOW);
      if (verdict.kind === 'unknown') return;
      const winner = 'ip' in verdict ? verdict.ip : register.current;
      const answers = [...answersOf(cast).values()];
      const backers = answers.filter((answer) => answer === winner).length;
      assert.ok(backers * 2 > answers.length);
      if (verdict.kind !== 'voice') assert.ok(backers >= quorum);
      if ('ip' in verdict) assert.notEqual(verdict.ip, register.current);
      if (verdict.kind === 'change') assert.ok(!answers.some((answer) => answer === register.current));
    }),
    { numRuns: 1_000 },
  );
});

test('fewer liars than the quorum never change the address, whatever they say', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 4 }).chain((quorum) =>
        fc.record({
          quorum: fc.constant(quorum),
          lies: fc.array(anIp, { maxLength: quorum - 1 }),
          honest: fc.array(fc.constantFrom<Ip | '?'>(OLD, '?'), { maxLength: 5 }),
        }),
      ),
      ({ quorum, lies, honest }) => {
        const said = Object.fromEntries([...lies, ...honest].map((answer, i) => [`operator${i}`, answer]));
        assert.ok(!('ip' in judge(votes(said), known, quorum, NOW)));
      },
    ),
  );
});

test('the order in which votes come in does not matter', () => {
  fc.assert(
    fc.property(
      someVotes.chain((cast) =>
        fc.tuple(fc.constant(cast), fc.shuffledSubarray(cast, { minLength: cast.length })),
      ),
      aKnown,
      aQuorum,
      ([cast, shuffled], register, quorum) => {
        assert.deepEqual(judge(shuffled, register, quorum, NOW), judge(cast, register, quorum, NOW));
      },
    ),
  );
});
