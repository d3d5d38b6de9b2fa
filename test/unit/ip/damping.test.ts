import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quickReturn } from '../../../lib/ip/damping.ts';
import { observe, SECOND_LOOK_MS } from '../../../lib/ip/observe.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import { createRandom } from '../../chaos/random.ts';
import { DAY, HOUR, invocation, MINUTE, SECOND } from '../../support/clock.ts';
import { Rules } from '../../support/register-rules.ts';
import { sourceSaying } from '../../support/sources.ts';
import { ip, NEW, OLD } from '../../support/votes.ts';

const NOW = 1_764_000_000_000;

const former = (until: number) => [{ ip: OLD, until }];

test('an address that was never ours, or not within 24 hours, does not wait', () => {
  const spent = { returns: 4, returnsAt: NOW };
  assert.deepEqual(quickReturn({ recent: former(NOW), ...spent }, NEW, NOW), { kind: 'none' });
  assert.deepEqual(quickReturn({ recent: former(NOW - DAY - 1), ...spent }, OLD, NOW), { kind: 'none' });
  assert.equal(quickReturn({ recent: former(NOW - DAY), ...spent }, OLD, NOW).kind, 'waits');
});

test('four returns are free, the fifth waits for an hour, and one comes back each hour', () => {
  let budget: { returns: number; returnsAt: number | undefined } = { returns: 0, returnsAt: undefined };
  const back = (nowMs: number) => {
    const result = quickReturn({ recent: former(nowMs), ...budget }, OLD, nowMs);
    if (result.kind === 'taken') budget = result;
    return result;
  };
  for (let n = 1; n <= 4; n++) {
    assert.deepEqual(back(NOW + n), { kind: 'taken', returns: n, returnsAt: NOW + 1 });
  }
  assert.deepEqual(back(NOW + 5), { kind: 'waits', untilMs: NOW + 1 + HOUR });
  assert.equal(back(NOW + HOUR).kind, 'waits');
  assert.deepEqual(back(NOW + 1 + HOUR), { kind: 'taken', returns: 4, returnsAt: NOW + 1 + HOUR });
  assert.equal(back(NOW + 2 * HOUR).kind, 'waits');
  assert.deepEqual(back(NOW + 9 * HOUR), { kind: 'taken', returns: 1, returnsAt: NOW + 9 * HOUR });
});

test('after a clock that was set back by any amount nothing waits for it to catch up', () => {
  for (const ahead of [4 * SECOND, DAY, 3_650 * DAY]) {
    const budget = { returns: 4, returnsAt: NOW + ahead };
    assert.equal(quickReturn({ recent: former(NOW + 1), ...budget }, OLD, NOW).kind, 'taken');
    assert.notEqual(quickReturn({ recent: former(NOW + ahead), ...budget }, OLD, NOW).kind, 'waits');
  }
});

test('after a clock that was set forward all returns are free again', () => {
  const budget = { returns: 4, returnsAt: NOW };
  const later = NOW + 3_650 * DAY;
  assert.deepEqual(quickReturn({ recent: former(later), ...budget }, OLD, later), {
    kind: 'taken',
    returns: 1,
    returnsAt: later,
  });
});

interface Life {
  /** When the address changed, and to what. */
  readonly changes: readonly { readonly at: number; readonly ip: Ip }[];
  readonly days: number;
}

/**
 * Real looks at five sources, each minute, for four days. `sees` is what a source answers to a host at a moment. With two
 * hosts both check, half a minute apart, and share the register.
 */
async function live(sees: (nowMs: number, host: number) => Ip, hosts = 1): Promise<Life> {
  const rules = new Rules();
  const changes: { at: number; ip: Ip }[] = [];
  const days = 4;
  for (let minute = 0; minute < days * 24 * 60; minute++) {
    for (let host = 0; host < hosts; host++) {
      let nowMs = NOW + minute * MINUTE + host * 30 * SECOND;
      const sources = Array.from({ length: 5 }, (_, i) => sourceSaying(`s${i}`, () => sees(nowMs, host)));
      const held = rules.take(nowMs);
      const { register } = rules;
      const sleep = async () => {
        nowMs += SECOND_LOOK_MS;
      };
      const parts = { sources, quorum: 2, host: { sleep }, nowMs: () => nowMs };
      const { verdict, answering } = await observe(register, parts, invocation().signal);
      const damping = 'ip' in verdict ? quickReturn(register, verdict.ip, nowMs) : undefined;
      const outcome = rules.record(held, verdict, answering, nowMs, damping ?? { kind: 'none' });
      if (outcome === 'changed' && rules.current !== undefined)
        changes.push({ at: nowMs, ip: rules.current });
    }
  }
  return { changes: changes.slice(1), days };
}

/** Changes of each day. */
function perDay({ changes, days }: Life): number[] {
  const counts = new Array<number>(days).fill(0);
  for (const { at } of changes) {
    const day = Math.floor((at - NOW) / DAY);
    counts[day] = (counts[day] ?? 0) + 1;
  }
  return counts;
}

const FLAPPING: readonly [what: string, run: (random: () => number) => Promise<Life>][] = [
  ['two balanced uplinks', (random) => live(() => (random() < 0.5 ? OLD : NEW))],
  [
    'an address that alternates every 12 to 45 minutes',
    (random) => {
      let current = OLD;
      let until = 0;
      return live((nowMs) => {
        if (nowMs >= until) {
          current = current === OLD ? NEW : OLD;
          until = nowMs + (12 + 33 * random()) * MINUTE;
        }
        return current;
      });
    },
  ],
  ['two hosts at one Redis', () => live((_, host) => (host === 0 ? OLD : NEW), 2)],
];

for (const [what, run] of FLAPPING) {
  test(`${what} make 24 changes a day, and at most 28`, async () => {
    const days = perDay(await run(createRandom(7).next));
    assert.ok(Math.max(...days) <= 28, `${days}`);
    assert.ok(
      days.slice(1).every((count) => count >= 22 && count <= 25),
      `the lasting rate: ${days}`,
    );
  });
}

const RECONNECTING: readonly [what: string, nextMs: (n: number) => number][] = [
  ['a line that reconnects every hour', (n) => n * HOUR],
  [
    'a line that reconnects ten times in half an hour, once a day',
    (n) => Math.floor(n / 10) * DAY + (n % 10) * 3 * MINUTE,
  ],
];

for (const [what, startOf] of RECONNECTING) {
  test(`${what} gets a new address each time, and none of them waits`, async () => {
    const random = createRandom(11).next;
    const starts: number[] = [];
    for (let n = 0; startOf(n) < 4 * DAY; n++) starts.push(NOW + startOf(n) + random() * MINUTE);
    const addressOf = (n: number) => ip(`198.51.${n >> 8}.${n & 255}`);
    let n = 0;
    const { changes } = await live((nowMs) => {
      while ((starts[n + 1] ?? Number.POSITIVE_INFINITY) <= nowMs) n += 1;
      return addressOf(n);
    });
    const delays = changes.map(({ at, ip: seen }) => {
      const which = starts.findIndex((_, i) => addressOf(i) === seen);
      return (at - (starts[which] ?? 0)) / MINUTE;
    });
    delays.sort((a, b) => a - b);
    assert.equal(delays.length, starts.length - 1, 'each was found');
    const median = delays[delays.length >> 1] ?? Number.NaN;
    assert.ok(median <= 1.1 && (delays.at(-1) ?? 9) <= 1.6, `median ${median}, most ${delays.at(-1)} min`);
  });
}
