import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventError } from '../../../lib/errors.ts';
import { parseNotifyEvent } from '../../../lib/notify/event.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';

const RULES = { family: 4, allowCidrs: [cidr('203.0.113.0/24')] } as const;
const parse = (event: unknown) => parseNotifyEvent(event, RULES);

for (const event of [{}, undefined, null]) {
  test(`${JSON.stringify(event)} delivers what is due`, () => {
    assert.deepEqual(parse(event), { kind: 'deliver' });
  });
}

test('what ip-check sends delivers what is due, and says of which change', () => {
  const changed = { ip: '203.0.113.7', epoch: 5 };
  assert.deepEqual(parse({ changed }), { kind: 'deliver', changed });
});

test("an ip is an operator's word", () => {
  assert.deepEqual(parse({ ip: '203.0.113.7' }), { kind: 'word', ip: '203.0.113.7' });
  assert.deepEqual(parse({ ip: '8.8.8.8', id: 'c-1' }), { kind: 'word', ip: '8.8.8.8', id: 'c-1' });
});

test("the operator's address is taken in its canonical form", () => {
  const six = parseNotifyEvent({ ip: '2606:4700:0:0::1111' }, { family: 6, allowCidrs: [] });
  assert.deepEqual(six, { kind: 'word', ip: '2606:4700::1111' });
});

for (const [event, reason] of [
  [{ ip: '10.0.0.1' }, /not public.*IP_ALLOW_CIDRS/],
  [{ ip: '169.254.169.254' }, /not public/],
  [{ ip: '2606:4700::1111' }, /IP_FAMILY 4/],
  [{ ip: 'example.org' }, /not an IP address/],
  [{ ip: '' }, /not an IP address/],
  [{ ip: '203.0.113.7:80' }, /not an IP address/],
  [{ ip: 'x'.repeat(1_000_000) }, /"ip"/],
  [{ ip: 7 }, /"ip"/],
  [{ ip: null }, /"ip"/],
  [{ ip: ['203.0.113.7'] }, /"ip"/],
  [{ ip: '203.0.113.7', epoch: 5 }, /"epoch" is not known/],
  [{ epoch: 5 }, /"ip" is missing.*"epoch" is not known/],
  [{ changed: { ip: '203.0.113.7', epoch: 5 }, ip: '203.0.113.7' }, /"ip" is not known/],
  [{ changed: { ip: '203.0.113.7' } }, /"changed\.epoch" is missing/],
  [{ changed: { ip: '203.0.113.7', epoch: '5' } }, /"changed\.epoch"/],
  [{ changed: { ip: '203.0.113.7', epoch: 0 } }, /"changed\.epoch" must be an epoch/],
  [{ changed: { ip: 'example.org', epoch: 5 } }, /"changed\.ip" must be an IP address/],
  [{ changed: { ip: '203.0.113.7', epoch: 5, id: 'x' } }, /"changed\.id" is not known/],
  [{ changed: null }, /"changed"/],
  [{ id: 'c-1' }, /"ip" is missing/],
  [{ version: '0', 'detail-type': 'Scheduled Event', source: 'aws.scheduler' }, /"version" is not known/],
  [{ ip: '203.0.113.7', id: 7 }, /"id"/],
  [{ ip: '203.0.113.7', id: '' }, /"id" must be 1 to 200 characters long/],
  [{ ip: '203.0.113.7', id: 'x'.repeat(201) }, /"id" must be 1 to 200 characters long/],
  [{ ip: '203.0.113.7', epcoh: 5 }, /"epcoh"/],
  ['{}', /JSON object/],
  [7, /JSON object/],
  [[], /JSON object/],
] as const) {
  test(`${JSON.stringify(event).slice(0, 60)} is refused by name`, () => {
    assert.throws(
      () => parse(event),
      (error) => error instanceof EventError && reason.test(error.message),
    );
  });
}

test('a refusal does not repeat the value', () => {
  for (const event of [{ ip: 'planted' }, { ip: '203.0.113.7', id: 7, planted: 'planted-value' }]) {
    assert.throws(
      () => parse(event),
      (error) =>
        error instanceof EventError &&
        !error.message.includes('planted-value') &&
        !/'planted'/.test(error.message),
    );
  }
});

test('any event is a command or an EventError', () => {
  const ours = fc.record(
    {
      ip: fc.oneof(fc.string(), fc.ipV4(), fc.anything()),
      changed: fc.anything(),
      id: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.anything(), ours), (event) => {
      try {
        assert.ok(['deliver', 'word'].includes(parse(event).kind));
      } catch (error) {
        assert.ok(error instanceof EventError, String(error));
      }
    }),
  );
});
