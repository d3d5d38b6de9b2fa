import assert from 'node:assert/strict';
import type { Vote } from '../../lib/ip/sources.ts';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';

/** An address that a test names itself. */
export function ip(text: string): Ip {
  const parsed = parseIp(text);
  assert.ok(parsed, `${text} is no IP`);
  return parsed;
}

export const OLD = ip('203.0.113.1');
export const NEW = ip('203.0.113.2');
export const OTHER = ip('203.0.113.3');
export const BEFORE = ip('203.0.113.9');

/** `operator/service` and what it says; `?` is no answer. */
export function votes(said: Readonly<Record<string, Ip | '?'>>): Vote[] {
  return Object.entries(said).map(([source, answer]) => {
    const operator = source.split('/')[0] ?? source;
    return answer === '?'
      ? { source, operator, kind: 'unknown', error: 'timeout' }
      : { source, operator, kind: 'ip', ip: answer };
  });
}
