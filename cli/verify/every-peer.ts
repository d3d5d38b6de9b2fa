import { type Called, describe, openCrowd, succeeded } from './caller.ts';
import { holds, type Rule, unchecked, wrong } from './rule.ts';
import type { Subject } from './subject.ts';

const MOST_REPLY_BYTES = 65_536;
const LARGE_BYTES = [32_768, 1_048_576];
const DEEPLY_NESTED = '['.repeat(4_000);
/** Twice as many connections as a peer should allow one address, and of these at least so many must be ended. */
const CROWD = 64;
const CROWD_ENDED = 16;
const CROWD_PATIENCE_MS = 1_000;

/** What a peer may make of a request that is none: refuse it, or break the connection off. */
function isRefused(called: Called): boolean {
  return called.kind === 'failed'
    ? !called.why.startsWith('no whole reply')
    : called.status >= 400 && called.status < 500;
}

/** The rules that a consumer API and a producer have in common. `path` is where it is called, `good` a body that it takes. */
export function limitRules(path: string, good: () => object): readonly Rule<Subject>[] {
  return [
    {
      rule: 'refuses what is no such call, and goes on',
      docs: 'docs/PEERS.md#bound-what-a-request-costs-you',
      async check({ call }) {
        const tries: readonly [what: string, called: Called][] = [
          ['no JSON', await call(path, 'no JSON')],
          ['an array', await call(path, '[]')],
          ['4,000 times [', await call(path, DEEPLY_NESTED)],
          ['a uuid that is none', await call(path, { ...good(), uuid: 'x' })],
          ['a uuid that is a number', await call(path, { ...good(), uuid: 7 })],
          ['another path', await call('/other', good())],
          ['GET', await call(path, '', { method: 'GET' })],
        ];
        const taken = tries.filter(([, called]) => !isRefused(called));
        if (taken.length > 0) {
          return wrong(
            taken.map(([what, called]) => `${what}: ${describe(called)} instead of 4xx`).join('; '),
          );
        }
        const after = await call(path, good());
        return succeeded(after)
          ? holds('400, 404 or 405 to what is no such call')
          : wrong(`it ${describe(after)} to a good call after some bad ones`);
      },
    },
    {
      rule: 'reads no large body',
      docs: 'docs/PEERS.md#bound-what-a-request-costs-you',
      async check({ call }) {
        for (const bytes of LARGE_BYTES) {
          const called = await call(path, { ...good(), filler: 'x'.repeat(bytes) });
          if (!isRefused(called))
            return wrong(`a body of ${bytes / 1_024} KiB: ${describe(called)} instead of 413`);
        }
        return holds('refuses bodies of 32 KiB and of 1 MiB');
      },
    },
    {
      rule: 'reads no large headers',
      docs: 'docs/PEERS.md#bound-what-a-request-costs-you',
      async check({ call }) {
        const called = await call(path, good(), { headers: { 'x-filler': 'x'.repeat(LARGE_BYTES[0] ?? 0) } });
        return isRefused(called)
          ? holds('refuses headers of 32 KiB')
          : wrong(`headers of 32 KiB: ${describe(called)} instead of 431`);
      },
    },
  ];
}

/** A rule about connections that stay open. Comes late: the peer may need a moment to see that they are closed. */
export function crowdRule(path: string, good: () => object): Rule<Subject> {
  return {
    rule: 'limits the connections of one address',
    docs: 'docs/PEERS.md#bound-what-a-request-costs-you',
    async check({ address, call, sources }) {
      let other: Called | undefined;
      const options = {
        from: sources?.[1],
        count: CROWD,
        enough: CROWD_ENDED,
        patienceMs: CROWD_PATIENCE_MS,
      };
      const ended = await openCrowd(address, options, async () => {
        if (sources !== undefined) other = await call(path, good(), { from: sources[0] });
      });
      if (ended < CROWD_ENDED)
        return wrong(`it keeps ${CROWD - ended} of ${CROWD} connections of one address`);
      return other === undefined || succeeded(other)
        ? holds(`it ended some of ${CROWD} connections of one address`)
        : wrong(`while one address has many connections, a call from another one: ${describe(other)}`);
    },
  };
}

/** Those that look back at everything that was called: they come last. */
export function resultRules(deadlineMs: number): readonly Rule<Subject>[] {
  return [
    {
      rule: 'answers in time',
      docs: 'docs/PEERS.md#answer-in-time',
      async check({ calls }) {
        const late = calls.filter((called) => called.kind === 'failed' && called.tookMs >= deadlineMs);
        const slowest = Math.max(0, ...calls.map(({ tookMs }) => tookMs));
        return late.length > 0
          ? wrong(`${late.length} of ${calls.length} calls had no whole reply within ${deadlineMs / 1_000} s`)
          : holds(`${calls.length} calls, the slowest took ${slowest} ms of ${deadlineMs}`);
      },
    },
    {
      rule: 'keeps its answers small, plain and in place',
      docs: 'docs/PEERS.md#keep-your-answer-small',
      async check({ calls }) {
        const replies = calls.filter((called) => called.kind === 'reply');
        const largest = Math.max(0, ...replies.map(({ bytes }) => bytes));
        if (largest > MOST_REPLY_BYTES) return wrong(`an answer has ${largest} bytes, over 64 KiB`);
        if (replies.some(({ status }) => status >= 300 && status < 400)) return wrong('it redirects');
        const coding = replies.map(({ headers }) => headers['content-encoding']).find(Boolean);
        if (coding !== undefined && coding !== 'identity')
          return wrong(`its answers are compressed (${coding})`);
        return holds(`the largest answer has ${largest} bytes`);
      },
    },
    {
      rule: 'gives a request little time to arrive',
      docs: 'docs/PEERS.md#bound-what-a-request-costs-you',
      async check({ stalled }) {
        const tookMs = await stalled;
        if (tookMs === undefined)
          return wrong('half a request was left open: anyone can take up its connections');
        return tookMs < 1_000
          ? unchecked('the connection for half a request ended at once')
          : holds(`half a request was ended after ${(tookMs / 1_000).toFixed(1)} s`);
      },
    },
  ];
}
