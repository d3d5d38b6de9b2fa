import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventLoop } from './event-loop.ts';

test('things happen by their time, and in the order in which they were asked for at one time', async () => {
  const loop = createEventLoop(1_000);
  const seen: [number, string][] = [];
  const note = (name: string) => () => seen.push([loop.nowMs, name]);
  for (const ms of [30, 10, 20, 10, 0, 40.2]) loop.after(ms, note(`after ${ms}`));
  loop.after(15, () => loop.after(1, note('set off at 15')));
  await loop.run();
  assert.deepEqual(seen, [
    [1_000, 'after 0'],
    [1_010, 'after 10'],
    [1_010, 'after 10'],
    [1_016, 'set off at 15'],
    [1_020, 'after 20'],
    [1_030, 'after 30'],
    [1_041, 'after 40.2'],
  ]);
});

test('many moments come in their order', async () => {
  const loop = createEventLoop(0);
  const seen: number[] = [];
  for (let i = 0; i < 1_000; i++) loop.after((i * 7_919) % 1_000, () => seen.push(loop.nowMs));
  await loop.run();
  assert.deepEqual(
    seen,
    Array.from({ length: 1_000 }, (_, i) => i),
  );
});

test('time stands still until all promises that an event settles have run their course', async () => {
  const loop = createEventLoop(0);
  const sleep = (ms: number) => new Promise<void>((resolve) => loop.after(ms, resolve));
  const seen: number[] = [];
  const worker = async () => {
    await sleep(5);
    for (let i = 0; i < 50; i++) await Promise.resolve();
    seen.push(loop.nowMs);
    await sleep(5);
    seen.push(loop.nowMs);
  };
  loop.after(6, () => seen.push(loop.nowMs));
  void worker();
  await loop.run();
  assert.deepEqual(seen, [5, 6, 10]);
});

test('what is thrown, or reported as a failure, ends the run', async () => {
  const thrown = createEventLoop(0);
  thrown.after(1, () => {
    throw new Error('thrown');
  });
  await assert.rejects(thrown.run(), /thrown/);

  const failed = createEventLoop(0);
  let later = false;
  failed.after(1, () => failed.fail(new Error('failed')));
  failed.after(2, () => {
    later = true;
  });
  await assert.rejects(failed.run(), /failed/);
  assert.equal(later, false);
});
