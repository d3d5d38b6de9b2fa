import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createBootClock } from '../../../host/clock.ts';
import { nextTick, runOnSchedule } from '../../../host/schedule.ts';
import { createMachine, HOUR, type Machine, MINUTE } from '../../support/clock.ts';

/** When the runs began, by the watch, until there are `count`. `work` is what a run does. */
async function starts(
  machine: Machine,
  { periodMs, count, work = () => {} }: { periodMs: number; count: number; work?: (index: number) => void },
): Promise<number[]> {
  const ending = new AbortController();
  const began: number[] = [];
  await runOnSchedule({ periodMs, clock: createBootClock(machine), signal: ending.signal }, async () => {
    began.push(machine.watchMs);
    work(began.length - 1);
    if (began.length === count) ending.abort();
  });
  return began;
}

describe('a schedule', () => {
  test('runs at once and then each period, without drift, however long runs take', async () => {
    const machine = createMachine();
    const began = await starts(machine, {
      periodMs: MINUTE,
      count: 5,
      work: (index) => machine.work(index * 7_001),
    });
    assert.deepEqual(began, [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE]);
  });

  test('makes up for all ticks that came during a long run by one run, and keeps the period', async () => {
    const machine = createMachine();
    const began = await starts(machine, {
      periodMs: MINUTE,
      count: 4,
      work: (index) => index === 0 && machine.work(3.5 * MINUTE),
    });
    assert.deepEqual(began, [0, 3.5 * MINUTE, 4 * MINUTE, 5 * MINUTE]);
  });

  test('runs once when a suspended machine wakes, not once a tick', async () => {
    let sleeps = 0;
    const machine = createMachine((self) => {
      if (++sleeps === 2) self.suspend(8 * HOUR);
    });
    const began = await starts(machine, { periodMs: MINUTE, count: 3 });
    // The tick that is on time after it is at a full minute of the old rhythm.
    assert.deepEqual(began, [0, 8 * HOUR + 10_000, 8 * HOUR + MINUTE]);
  });

  test('goes on by the period when the wall clock is set back', async () => {
    const machine = createMachine((self) => self.setWall(-HOUR));
    assert.deepEqual(await starts(machine, { periodMs: MINUTE, count: 3 }), [0, MINUTE, 2 * MINUTE]);
  });

  test('starts nothing after the signal', async () => {
    const machine = createMachine();
    let runs = 0;
    await runOnSchedule(
      { periodMs: MINUTE, clock: createBootClock(machine), signal: AbortSignal.abort() },
      async () => {
        runs += 1;
      },
    );
    assert.equal(runs, 0);
  });

  test('the next tick is the first of the grid that lies in the future', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e12 }),
        fc.integer({ min: 1_000, max: 86_400_000 }),
        fc.integer({ min: 0, max: 1e11 }),
        (tickMs, periodMs, lateMs) => {
          const next = nextTick(tickMs, periodMs, tickMs + lateMs);
          assert.ok(next > tickMs + lateMs && next <= tickMs + lateMs + periodMs);
          assert.equal((next - tickMs) % periodMs, 0);
        },
      ),
    );
  });
});
