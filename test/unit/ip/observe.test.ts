import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dnsDisagreement, observe, SECOND_LOOK_MS } from '../../../lib/ip/observe.ts';
import { parseRegister, type Register } from '../../../lib/ip/register.ts';
import type { Source } from '../../../lib/ip/sources.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import { NEW, OLD, OTHER } from './votes.ts';

const settled: Register = {
  ...parseRegister([]).register,
  current: OLD,
  ticket: 3,
};
const running = new AbortController().signal;

/** Sources that answer each look in turn, and a host whose sleep is over at once and is written down. */
function stage(...answers: readonly (readonly (Ip | '?')[])[]) {
  const asked: string[] = [];
  const slept: number[] = [];
  const sources = answers.map((line, i): Source => {
    const turns = [...line];
    const id = `s${i}`;
    return {
      id,
      operator: id,
      kind: 'http',
      ask: async () => {
        asked.push(id);
        const answer = (turns.length > 1 ? turns.shift() : turns[0]) ?? '?';
        return answer === '?'
          ? { source: id, operator: id, kind: 'unknown', error: 'timeout' }
          : { source: id, operator: id, kind: 'ip', ip: answer };
      },
    };
  });
  const host = {
    sleep: async (ms: number) => {
      slept.push(ms);
    },
  };
  return { asked, slept, parts: { sources, quorum: 2, host, nowMs: () => 1_764_000_000_000 } };
}

test('a quiet check asks one source, the one whose turn the ticket says it is', async () => {
  for (const ticket of [0, 1, 2, 3, 4, 999_999_999_999_999]) {
    const { asked, slept, parts } = stage([OLD], [OLD], [OLD]);
    const { verdict } = await observe({ ...settled, ticket }, parts, running);
    assert.deepEqual(verdict, { kind: 'voice' });
    assert.deepEqual(asked, [`s${ticket % 3}`]);
    assert.deepEqual(slept, []);
  }
});

test('a source that fails makes the check ask the others, each once', async () => {
  const { asked, parts } = stage(['?'], [OLD], [OLD]);
  const observation = await observe(settled, parts, running);
  assert.deepEqual(observation.verdict, { kind: 'quorum' });
  assert.deepEqual(asked, ['s0', 's1', 's2']);
  assert.equal(observation.asked, 3);
});

test('while a candidate is set all are asked, though one voice would keep the address', async () => {
  const { asked, parts } = stage([OLD], [NEW], [NEW]);
  const candidate = { ip: NEW, checks: 1, at: 1 };
  const { verdict } = await observe({ ...settled, candidate }, parts, running);
  assert.deepEqual(asked, ['s0', 's1', 's2']);
  assert.deepEqual(verdict, { kind: 'counts', ip: NEW });
});

test('with no address yet all are asked', async () => {
  const { asked, parts } = stage([NEW], ['?'], ['?']);
  const { verdict } = await observe({ ...settled, current: undefined }, parts, running);
  assert.deepEqual(asked, ['s0', 's1', 's2']);
  assert.deepEqual(verdict, { kind: 'unknown' });
});

test('an uncontested new address is looked at again 3 s later, by all sources', async () => {
  const { asked, slept, parts } = stage([NEW], [NEW], ['?']);
  const observation = await observe(settled, parts, running);
  assert.deepEqual(observation.verdict, { kind: 'change', ip: NEW });
  assert.deepEqual(slept, [SECOND_LOOK_MS]);
  assert.equal(SECOND_LOOK_MS, 3_000);
  assert.deepEqual(asked, ['s0', 's1', 's2', 's0', 's1', 's2']);
  assert.equal(observation.asked, 6);
});

test('a contested new address is not looked at again', async () => {
  const { slept, parts } = stage([NEW], [NEW], [OLD]);
  const { verdict } = await observe(settled, parts, running);
  assert.deepEqual(verdict, { kind: 'counts', ip: NEW });
  assert.deepEqual(slept, []);
});

test('a blip that the second look does not see is no change', async () => {
  for (const second of [OLD, '?', OTHER] as const) {
    const { parts } = stage([NEW, second], [NEW, second], [NEW, second]);
    const { verdict } = await observe(settled, parts, running);
    assert.deepEqual(verdict, { kind: 'unknown' });
  }
});

test('a check that is aborted while it waits for the second look changes nothing', async () => {
  const { asked, parts } = stage([NEW], [NEW], [NEW]);
  const ending = new AbortController();
  const host = { sleep: async () => ending.abort() };
  const { verdict } = await observe(settled, { ...parts, host }, ending.signal);
  assert.deepEqual(verdict, { kind: 'unknown' });
  assert.equal(asked.length, 3);
});

test('a dns: source disagrees if it names another address than most https:// sources see', () => {
  const sources = [
    { id: 'h1', kind: 'http' },
    { id: 'h2', kind: 'http' },
    { id: 'dns:home.example.org', kind: 'dns' },
  ].map(
    (part) => ({ ...part, operator: part.id, ask: () => Promise.reject(new Error('not asked')) }) as Source,
  );
  const cast = (...answers: (Ip | '?')[]) =>
    sources.map(({ id, operator }, i) => {
      const answer = answers[i] ?? '?';
      return answer === '?'
        ? ({ source: id, operator, kind: 'unknown', error: 'timeout' } as const)
        : ({ source: id, operator, kind: 'ip', ip: answer } as const);
    });

  assert.deepEqual(dnsDisagreement(cast(OLD, OLD, NEW), sources), { named: NEW, seen: OLD });
  assert.deepEqual(dnsDisagreement(cast(OLD, '?', NEW), sources), { named: NEW, seen: OLD });
  assert.equal(dnsDisagreement(cast(OLD, OLD, OLD), sources), undefined);
  assert.equal(dnsDisagreement(cast(OLD, NEW, NEW), sources), undefined, 'the https:// sources do not agree');
  assert.equal(dnsDisagreement(cast('?', '?', NEW), sources), undefined, 'nobody else answered');
  assert.equal(dnsDisagreement(cast(OLD, OLD, '?'), sources), undefined, 'the name did not resolve');
});
