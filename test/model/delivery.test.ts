import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Redis } from '../../lib/redis/redis.ts';
import { PLANTED, type Planted, type PlantedName } from '../support/planted.ts';
import { hasRealRedis, startTestRedis } from '../support/redis.ts';
import { withMistakes } from '../support/tampered-redis.ts';
import { courses } from './commands.ts';
import { createWorld, type Mode } from './world.ts';

/** `MODEL_RUNS=20000 MODEL_SEED=1 npm run model` for more, or for the same again. The embedded engine takes four times as long. */
const RUNS = Number(process.env.MODEL_RUNS ?? (hasRealRedis() ? 100 : 25));
const SEED = process.env.MODEL_SEED === undefined ? undefined : Number(process.env.MODEL_SEED);
/** The seed of the courses below. */
const SEED_TO_FIND = 1;
/**
 * The first course that shows each planted mistake. A change of the steps changes all courses; then the test looks for
 * another one, which takes minutes, fails, and says what to write here.
 */
const SHOWN_BY: Readonly<Record<PlantedName, number>> = {
  'success-ends-ambiguous': 4,
  'lease-without-trace': 8,
  'older-success-ends': 78,
  'failure-ends': 1,
  'address-ignored': 915,
  'missing-dropped': 1,
  'misses-kept': 325,
  'due-while-leased': 1,
  'counted-again': 4,
  'far-score-believed': 264,
  'far-lease-believed': 53,
  'long-drain-believed': 69,
  'lease-stolen': 50,
  'register-first': 283,
  'told-kept': 86,
};
const RUNS_TO_FIND = 3_000;

const server = await startTestRedis({ after });

function survive(
  redis: Redis,
  mode: Mode,
  {
    runs,
    seed,
    course,
    quick = false,
  }: { runs: number; seed?: number | undefined; course?: number; quick?: boolean },
) {
  return fc.check(
    fc.asyncProperty(courses(60), async (steps) => {
      await server.command('FLUSHALL');
      const world = await createWorld(redis, mode);
      await fc.asyncModelRun(() => ({ model: world, real: world }), steps);
      await world.heal();
    }),
    {
      numRuns: runs,
      endOnFailure: quick,
      ...(seed !== undefined && { seed }),
      ...(course !== undefined && { path: String(course) }),
    },
  );
}

const MODES = {
  'in-time': 'while requests die in time',
  late: 'while requests may take effect a minute late',
  clock: "while Redis's clock is set back and forward",
} as const;

describe('whatever happens to checks, claims, settles and producers, the promises are kept', () => {
  for (const mode of ['in-time', 'late', 'clock'] as const) {
    test(MODES[mode], async (t) => {
      const result = await survive(server.redis, mode, { runs: RUNS, seed: SEED });
      t.diagnostic(`${result.numRuns} courses, seed ${result.seed}`);
      if (result.failed) {
        throw new Error(fc.defaultReportMessage(result) ?? 'failed', { cause: result.errorInstance });
      }
    });
  }
});

describe('the model finds a planted mistake', () => {
  for (const [name, course] of Object.entries(SHOWN_BY)) {
    const { what, mode, mistakes } = planted(name);
    test(`${name}: ${what}`, async (t) => {
      const redis = withMistakes(server.redis, mistakes);
      const search = { seed: SEED_TO_FIND, quick: true };
      const shown = messageOf(await survive(redis, mode, { ...search, runs: 1, course }));
      if (shown !== undefined) return t.diagnostic(`course ${course}: ${shown}`);
      const found = await survive(redis, mode, { ...search, runs: RUNS_TO_FIND });
      const message = messageOf(found) ?? 'none does';
      assert.fail(`Course ${course} does not show it; ${found.numRuns - 1} may: ${message}`);
    });
  }

  test('and each of them has a course', () => {
    assert.deepEqual(Object.keys(SHOWN_BY).sort(), Object.keys(PLANTED).sort());
  });
});

function planted(name: string): Planted {
  const found = Object.entries<Planted>(PLANTED).find(([key]) => key === name)?.[1];
  assert.ok(found !== undefined, name);
  return found;
}

/** What a course showed, in one line; undefined if nothing. */
function messageOf({ failed, errorInstance }: Awaited<ReturnType<typeof survive>>): string | undefined {
  if (!failed) return undefined;
  const { message } = errorInstance instanceof Error ? errorInstance : { message: '' };
  assert.doesNotMatch(message, /no text to plant a mistake in/);
  return message.split('\n')[0];
}
