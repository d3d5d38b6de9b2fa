import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBootClock } from '../../../host/clock.ts';
import { createMachine, HOUR } from '../../support/clock.ts';

describe('the boot clock', () => {
  test('follows the monotonic clock', () => {
    const machine = createMachine();
    const clock = createBootClock(machine);
    machine.work(1_234);
    assert.equal(clock.nowMs(), 1_234);
  });

  test('goes on while the machine is suspended', () => {
    const machine = createMachine();
    const clock = createBootClock(machine);
    machine.work(1_000);
    machine.suspend(8 * HOUR);
    machine.work(1_000);
    assert.equal(clock.nowMs(), 8 * HOUR + 2_000);
  });

  test('never goes back, whatever is done to the wall clock', () => {
    const machine = createMachine();
    const clock = createBootClock(machine);
    machine.setWall(-10 * HOUR);
    machine.work(1_000);
    assert.equal(clock.nowMs(), 1_000);
    machine.setWall(HOUR);
    const ahead = clock.nowMs();
    machine.setWall(-HOUR);
    machine.work(500);
    assert.equal(clock.nowMs(), ahead + 500, 'an hour too much, once, and from then on right');
  });

  test('does not take small corrections of the wall clock for time that has passed', () => {
    const machine = createMachine();
    const clock = createBootClock(machine);
    for (let i = 0; i < 100; i++) {
      machine.work(1_000);
      machine.setWall(1);
      clock.nowMs();
    }
    assert.equal(clock.nowMs(), 100_000);
  });

  test('waits until a time has come, and no longer than until the signal', async () => {
    const machine = createMachine();
    const clock = createBootClock(machine);
    await clock.until(12_345, new AbortController().signal);
    assert.equal(machine.watchMs, 12_345);
    await clock.until(99_999, AbortSignal.abort());
    assert.equal(machine.watchMs, 12_345);
  });

  test('notices within 5 s that the machine has slept in the meantime', async () => {
    let sleeps = 0;
    const machine = createMachine((self) => {
      if (++sleeps === 3) self.suspend(8 * HOUR);
    });
    await createBootClock(machine).until(HOUR, new AbortController().signal);
    assert.equal(machine.watchMs, 8 * HOUR + 15_000);
  });
});
