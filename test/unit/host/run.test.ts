import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { createBootClock } from '../../../host/clock.ts';
import { startRun } from '../../../host/run.ts';
import { createMachine, type Machine } from '../../support/clock.ts';

/** A machine on which time passes only when the test says so. */
function createStill(): Machine {
  const machine = createMachine();
  return { ...machine, sleep: (_, signal) => new Promise((resolve) => onAbort(signal, resolve)) };
}

function onAbort(signal: AbortSignal | undefined, then: () => void): void {
  if (signal?.aborted) then();
  signal?.addEventListener('abort', then);
}

describe('a run', () => {
  test('is told a second less than it has, as on Lambda', () => {
    const machine = createStill();
    const run = startRun(createBootClock(machine), 50_000);
    assert.equal(run.invocation.remainingMs(), 49_000);
    machine.work(20_000);
    assert.equal(run.invocation.remainingMs(), 29_000);
    machine.work(40_000);
    assert.equal(run.invocation.remainingMs(), 0);
    run.end();
  });

  test('is aborted two seconds before its time is up', async () => {
    const machine = createMachine();
    const { invocation } = startRun(createBootClock(machine), 50_000);
    await once(invocation.signal, 'abort');
    assert.equal(machine.watchMs, 48_000);
  });

  test('is over when the machine has slept for longer than it had', () => {
    const machine = createStill();
    const run = startRun(createBootClock(machine), 240_000);
    machine.suspend(3_600_000);
    assert.equal(run.invocation.remainingMs(), 0);
    run.end();
  });

  test('is not aborted after it has ended', async () => {
    const machine = createMachine();
    const run = startRun(createBootClock(machine), 50_000);
    run.end();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(run.invocation.signal.aborted, false);
  });

  test('that is to hurry starts nothing more and has what is left at most', () => {
    const machine = createStill();
    const run = startRun(createBootClock(machine), 300_000);
    run.hurry(8_000);
    assert.equal(run.invocation.signal.aborted, true);
    assert.equal(run.invocation.remainingMs(), 8_000);
    run.end();

    const late = startRun(createBootClock(machine), 5_000);
    late.hurry(8_000);
    assert.equal(late.invocation.remainingMs(), 4_000, 'no more than it had');
    late.end();
  });

  test('has a request id that no other has', () => {
    const clock = createBootClock(createStill());
    const runs = [startRun(clock, 5_000), startRun(clock, 5_000)];
    assert.equal(new Set(runs.map(({ invocation }) => invocation.requestId)).size, 2);
    for (const run of runs) run.end();
  });
});
