import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseEpoch, parseRegister } from '../../../lib/ip/register.ts';

const read = (fields: Record<string, string>) => parseRegister(Object.entries(fields).flat());

test('a whole register is read field by field', () => {
  const { register, poisoned } = read({
    current: '203.0.113.7',
    previous: '203.0.113.6',
    epoch: '1764000000000',
    since: '1764000000000',
    ticket: '12',
    recorded: '11',
    candidate: '203.0.113.8',
    candidateChecks: '2',
    candidateAt: '1764000060000',
    checkedAt: '1764000060000',
    verifiedAt: '1764000000001',
    unknownChecks: '3',
    manualIds: '["a"]',
    answering: '3',
    recent: '203.0.113.6@1764000000000 2001:db8:0::1@1763900000000',
    returns: '2',
    returnsAt: '1764000000003',
    dampedAt: '1764000000004',
    told: '7',
    firstAck: '1764000000005',
    lastAck: '1764000000006',
  });

  assert.deepEqual(poisoned, []);
  assert.deepEqual(register, {
    current: '203.0.113.7',
    previous: '203.0.113.6',
    epoch: 1764000000000,
    since: 1764000000000,
    ticket: 12,
    recorded: 11,
    candidate: { ip: '203.0.113.8', checks: 2, at: 1764000060000 },
    checkedAt: 1764000060000,
    verifiedAt: 1764000000001,
    unknownChecks: 3,
    answering: 3,
    recent: [
      { ip: '203.0.113.6', until: 1764000000000 },
      { ip: '2001:db8::1', until: 1763900000000 },
    ],
    returns: 2,
    returnsAt: 1764000000003,
    dampedAt: 1764000000004,
    told: 7,
    firstAck: 1764000000005,
    lastAck: 1764000000006,
  });
});

test('version 1 kept one former address, which was current until the present one was committed', () => {
  const { register } = read({ previous: '203.0.113.6', since: '1764000000000' });
  assert.deepEqual(register.recent, [{ ip: '203.0.113.6', until: 1764000000000 }]);
});

test('an absent register is one without address, epoch and tickets', () => {
  for (const reply of [[], null, undefined, 'text', 7]) {
    const { register, poisoned } = parseRegister(reply);
    assert.deepEqual(poisoned, []);
    assert.equal(register.current, undefined);
    assert.equal(register.epoch, undefined);
    assert.equal(register.ticket, 0);
    assert.equal(register.recorded, 0);
  }
});

const POISON: readonly [field: string, values: readonly string[]][] = [
  ['current', ['', 'x', '010.0.0.1', '203.0.113.7:80', '203.0.113.7 ']],
  ['recent', ['x', '203.0.113.6', '203.0.113.6@', '203.0.113.6@-1', '203.0.113.6@5,203.0.113.7@6']],
  ['returns', ['-1']],
  ['previous', ['1.2.3', '::ffff:zzzz']],
  ['epoch', ['0', '-1', '1e12', '1764000000000.5', '9007199254740993', '', 'NaN']],
  ['since', ['-5', 'yesterday', '12345678901234567']],
  ['ticket', ['1.5', '0x10', ' 1']],
  ['recorded', ['Infinity']],
  ['candidate', ['nobody']],
  ['candidateChecks', ['0', '3', '99', 'two']],
  ['candidateAt', ['soon']],
  ['checkedAt', ['{}']],
  ['verifiedAt', ['null']],
  ['unknownChecks', ['-1']],
  ['lastAck', ['never']],
];

for (const [field, values] of POISON) {
  test(`a poisoned ${field} counts as absent and is named, and the other fields are read`, () => {
    for (const value of values) {
      const { register, poisoned } = read({
        current: '203.0.113.7',
        epoch: '5',
        ticket: '4',
        previous: '203.0.113.6',
        [field]: value,
      });
      assert.deepEqual(poisoned, [field], value);
      if (field !== 'ticket') assert.equal(register.ticket, 4);
      if (field !== 'previous') assert.equal(register.previous, '203.0.113.6');
      if (field === 'ticket' || field === 'recorded' || field === 'unknownChecks') {
        assert.equal(register[field], 0);
      }
      if (field.startsWith('candidate')) assert.equal(register.candidate, undefined);
    }
  });
}

test('a candidate of which a part is missing or poisoned is none', () => {
  const whole = { candidate: '203.0.113.8', candidateChecks: '1', candidateAt: '5' };
  assert.notEqual(read(whole).register.candidate, undefined);
  for (const part of Object.keys(whole)) {
    assert.equal(read({ ...whole, [part]: 'poison' }).register.candidate, undefined, part);
    const { [part as keyof typeof whole]: _, ...rest } = whole;
    assert.equal(read(rest).register.candidate, undefined, part);
  }
});

test('an address without a usable epoch counts as absent, because it could not be delivered', () => {
  assert.equal(read({ current: '203.0.113.7' }).register.current, undefined);
  assert.equal(read({ current: '203.0.113.7', epoch: 'poison' }).register.current, undefined);
  assert.equal(read({ current: '203.0.113.7', epoch: '1' }).register.current, '203.0.113.7');
});

test('whatever HGETALL answers, reading it does not throw and numbers are exact', () => {
  const reply = fc.letrec((tie) => ({
    reply: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.array(fc.oneof(fc.constantFrom(...POISON.map(([field]) => field)), tie('reply'))),
    ),
  })).reply as fc.Arbitrary<Parameters<typeof parseRegister>[0]>;
  fc.assert(
    fc.property(reply, (value) => {
      const { register } = parseRegister(value);
      for (const field of ['ticket', 'recorded', 'unknownChecks', 'epoch', 'since'] as const) {
        assert.ok(register[field] === undefined || Number.isSafeInteger(register[field]), field);
      }
    }),
  );
});

test('an epoch is a positive whole number of at most 15 digits, as number or as text', () => {
  assert.equal(parseEpoch('1764000000000'), 1764000000000);
  assert.equal(parseEpoch(1764000000000), 1764000000000);
  for (const raw of [
    0,
    '0',
    -1,
    1.5,
    '1.5',
    1e15,
    '1000000000000000',
    2 ** 53,
    '',
    null,
    undefined,
    {},
    true,
    '٣',
  ]) {
    assert.equal(parseEpoch(raw), undefined, String(raw));
  }
});
