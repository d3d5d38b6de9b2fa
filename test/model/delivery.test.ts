import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Redis } from '../../lib/redis/redis.ts';
import { startTestRedis } from '../support/redis.ts';
import { type Mistake, withMistakes } from '../support/tampered-redis.ts';
import { courses } from './commands.ts';
import { createWorld } from './world.ts';

/** `MODEL_RUNS=20000 MODEL_SEED=1 npm test` for more, or for the same again. */
const RUNS = Number(process.env.MODEL_RUNS ?? 150);
const SEED = process.env.MODEL_SEED === undefined ? undefined : Number(process.env.MODEL_SEED);
/** Of these many courses one at least has to show a planted mistake; always the same ones, so that none is missed by chance. */
const RUNS_TO_FIND = 3_000;
const SEED_TO_FIND = 1;

const server = await startTestRedis({ after });

function survive(
  redis: Redis,
  {
    strict,
    runs,
    seed,
    quick = false,
  }: { strict: boolean; runs: number; seed?: number | undefined; quick?: boolean },
) {
  return fc.check(
    fc.asyncProperty(courses(60), async (steps) => {
      await server.command('FLUSHALL');
      const world = await createWorld(redis, { strict });
      await fc.asyncModelRun(() => ({ model: world, real: world }), steps);
      await world.heal();
    }),
    { numRuns: runs, endOnFailure: quick, ...(seed !== undefined && { seed }) },
  );
}

describe('whatever happens to checks, claims, settles and producers, the promises are kept', () => {
  for (const strict of [true, false]) {
    test(
      strict ? 'while requests die in time' : 'while requests may take effect a minute late',
      async (t) => {
        const result = await survive(server.redis, { strict, runs: RUNS, seed: SEED });
        t.diagnostic(`${result.numRuns} courses, seed ${result.seed}`);
        if (result.failed) {
          throw new Error(fc.defaultReportMessage(result) ?? 'failed', { cause: result.errorInstance });
        }
      },
    );
  }
});

describe('the model finds a planted mistake', () => {
  const planted: (readonly [string, { strict: boolean }, ...Mistake[]])[] = [
    [
      'success removes an ambiguous delivery',
      { strict: false },
      {
        script: 'settle-and-claim',
        from: 'if record.ambiguousAt and (record.ambiguousEpoch or 0) < at_epoch then',
        to: 'if false then',
      },
    ],
    [
      'a lease that ended unsettled is taken over without a trace',
      { strict: false },
      {
        script: 'settle-and-claim',
        from: 'note_ambiguous(record, record.leaseEpoch or 0, lease_end)',
        to: '',
      },
    ],
    [
      'a commit steals a lease',
      { strict: true },
      ...['record-check', 'commit-manual'].map((script) => ({
        script,
        from: "if known[uuid] ~= 'skipped' then known[uuid] = 'leased' end",
        to: `local stolen = decode(text)
          stolen.lease = nil
          redis.call('HSET', keys.deliveries, uuid, cjson.encode(stolen))`,
      })),
    ],
    [
      'a missing producer is dropped',
      { strict: true },
      {
        script: 'settle-and-claim',
        from: 'record.missed = (record.missed or 0) + 1',
        to: `redis.call('ZREM', due, uuid)
          if true then return end`,
      },
    ],
    [
      'settle ignores the address',
      { strict: true },
      { script: 'settle-and-claim', from: "if holds_now ~= called then return 'moved', at_once end", to: '' },
    ],
    [
      'the register is written before the due set',
      { strict: true },
      ...['record-check', 'commit-manual'].map((script) => ({
        script,
        from: 'local due, leased = make_due(',
        to: `redis.call('HSET', keys.ip, 'current', change.to, 'epoch', epoch)
          local due, leased = make_due(`,
      })),
    ],
    [
      'success for an older epoch removes the delivery',
      { strict: true },
      { script: 'settle-and-claim', from: "if at_epoch ~= epoch then return 'older', at_once end", to: '' },
    ],
    [
      'a delivery leaves the due set while it is leased',
      { strict: true },
      {
        script: 'settle-and-claim',
        from: "variadic('ZADD', due, scores, 2)",
        to: "if #claimed > 4 then redis.call('ZREM', due, scores[2]) end",
      },
    ],
  ];

  for (const [name, { strict }, ...mistakes] of planted) {
    test(name, async (t) => {
      const result = await survive(withMistakes(server.redis, mistakes), {
        strict,
        runs: RUNS_TO_FIND,
        seed: SEED_TO_FIND,
        quick: true,
      });
      assert.ok(result.failed, `${result.numRuns} courses did not show it, seed ${result.seed}`);
      const { message } = result.errorInstance instanceof Error ? result.errorInstance : { message: '' };
      assert.doesNotMatch(message, /no text to plant a mistake in/);
      t.diagnostic(`after ${result.numRuns} courses, seed ${result.seed}: ${message.split('\n')[0]}`);
    });
  }
});
