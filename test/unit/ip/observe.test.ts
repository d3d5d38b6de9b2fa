import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dnsDisagreement } from '../../../lib/ip/observe.ts';
import type { Source } from '../../../lib/ip/sources.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import { NEW, OLD } from '../../support/votes.ts';

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
