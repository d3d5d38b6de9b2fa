import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createChecks } from '../../../host/checks.ts';
import { createBootClock } from '../../../host/clock.ts';
import { createMachine, MINUTE, SECOND } from '../../support/clock.ts';

interface Course {
  readonly periodMs?: number;
  readonly repeat?: boolean;
  readonly untilMs: number;
  /** When hints come. */
  readonly hintsAtMs?: readonly number[];
  /** What a check takes, and whether it finds anything out. */
  readonly check?: (startedMs: number) => { takesMs?: number; foundOut?: boolean };
}

/** When checks began, by the watch. */
async function starts({
  periodMs = MINUTE,
  repeat = true,
  untilMs,
  hintsAtMs = [],
  check = () => ({}),
}: Course): Promise<number[]> {
  const ending = new AbortController();
  const hints = [...hintsAtMs].sort((a, b) => a - b);
  const began: number[] = [];
  // Time passes in steps, so that a hint comes while the schedule waits, as in the world.
  const machine = createMachine();
  const stepping = {
    ...machine,
    sleep: async (ms: number, signal?: AbortSignal) => {
      const endMs = machine.watchMs + ms;
      while (machine.watchMs < endMs && !signal?.aborted) {
        pass(Math.min(endMs, hints[0] ?? endMs));
        await null;
      }
    },
  };
  const clock = createBootClock(stepping);
  const checks = createChecks({ periodMs, repeat, clock });
  const pass = (toMs: number) => {
    machine.work(Math.max(0, toMs - machine.watchMs));
    while (hints[0] !== undefined && hints[0] <= machine.watchMs) {
      hints.shift();
      checks.hint();
    }
    if (machine.watchMs >= untilMs) ending.abort();
  };
  await checks.run(async () => {
    const startedMs = machine.watchMs;
    began.push(startedMs);
    const { takesMs = 0, foundOut = true } = check(startedMs);
    const endMs = startedMs + takesMs;
    while (machine.watchMs < endMs) pass(Math.min(endMs, hints[0] ?? endMs));
    return foundOut;
  }, ending.signal);
  return began.filter((atMs) => atMs < untilMs);
}

describe('the checks of a host', () => {
  test('come by the schedule where nothing else asks for one', async () => {
    assert.deepEqual(await starts({ untilMs: 3.5 * MINUTE }), [0, MINUTE, 2 * MINUTE, 3 * MINUTE]);
  });

  test('come at once for a hint, and the schedule goes on as before', async () => {
    const began = await starts({ untilMs: 2.5 * MINUTE, hintsAtMs: [20 * SECOND] });
    assert.deepEqual(began, [0, 20 * SECOND, MINUTE, 2 * MINUTE]);
  });

  test('are one for all hints that come before it begins', async () => {
    const began = await starts({ untilMs: 50 * SECOND, hintsAtMs: [1, 2, 3, 4].map((n) => n * SECOND) });
    assert.deepEqual(began, [0, 5 * SECOND]);
  });

  test('come once more for a hint during a check, which may have looked before the change', async () => {
    const began = await starts({
      untilMs: 50 * SECOND,
      hintsAtMs: [21 * SECOND, 22 * SECOND],
      check: () => ({ takesMs: 3 * SECOND }),
    });
    assert.deepEqual(began, [0, 21 * SECOND, 26 * SECOND]);
  });

  test('that find nothing out are repeated after 5 s, ten times, then as scheduled', async () => {
    const began = await starts({ untilMs: 3.5 * MINUTE, check: () => ({ foundOut: false }) });
    const repeats = Array.from({ length: 11 }, (_, n) => n * 5 * SECOND);
    assert.deepEqual(began, [...repeats, MINUTE, 2 * MINUTE, 3 * MINUTE]);
  });

  test('are repeated again after a hint: what has just come back often needs a moment', async () => {
    const began = await starts({
      untilMs: 2.5 * MINUTE,
      hintsAtMs: [MINUTE + 30 * SECOND],
      check: (startedMs) => ({ foundOut: startedMs > 100 * SECOND }),
    });
    assert.deepEqual(
      began.filter((atMs) => atMs >= 90 * SECOND),
      [90, 95, 100, 105, 120].map((s) => s * SECOND),
    );
  });

  test('are not repeated where hints are switched off', async () => {
    const began = await starts({ untilMs: 1.5 * MINUTE, repeat: false, check: () => ({ foundOut: false }) });
    assert.deepEqual(began, [0, MINUTE]);
  });

  test('come as often as the schedule says, also where that is more often than hints may', async () => {
    assert.deepEqual(await starts({ periodMs: SECOND, untilMs: 4 * SECOND }), [0, 1_000, 2_000, 3_000]);
  });

  test('are 5 s apart and 12 a minute at most, and follow every hint, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 * MINUTE }), { maxLength: 200 }),
        fc.func(
          fc.record({
            takesMs: fc.integer({ min: 0, max: 9 * SECOND }),
            foundOut: fc.boolean(),
          }),
        ),
        async (hintsAtMs, check) => {
          const began = await starts({ untilMs: 4 * MINUTE, hintsAtMs, check });
          for (const [index, atMs] of began.entries()) {
            assert.ok(index === 0 || atMs - (began[index - 1] ?? 0) >= 5 * SECOND);
            assert.ok(began.filter((other) => other >= atMs && other < atMs + MINUTE).length <= 12);
          }
          for (const hintMs of hintsAtMs) {
            // The check that was running ends within 9 s, and 5 s later at most the next one begins.
            assert.ok(
              began.some((atMs) => atMs >= hintMs && atMs <= hintMs + 9 * SECOND),
              `${hintMs}: ${began}`,
            );
          }
          for (let minute = 0; minute < 4; minute++) {
            assert.ok(began.some((atMs) => atMs >= minute * MINUTE && atMs < minute * MINUTE + 10 * SECOND));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
