import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { onAbort } from '../../../lib/http/on-abort.ts';

test('all that wait are called once, in order', () => {
  const controller = new AbortController();
  const called: number[] = [];
  for (const n of [1, 2, 3]) onAbort(controller.signal, () => called.push(n));
  controller.abort();
  controller.abort();
  assert.deepEqual(called, [1, 2, 3]);
});

test('who has left is not called', () => {
  const controller = new AbortController();
  const called: string[] = [];
  onAbort(controller.signal, () => called.push('stays'));
  const leave = onAbort(controller.signal, () => called.push('left'));
  leave();
  leave();
  controller.abort();
  assert.deepEqual(called, ['stays']);
});

test('a thousand that wait share one listener, and it goes with the last of them', () => {
  const { signal } = new AbortController();
  const leaves = Array.from({ length: 1_000 }, () => onAbort(signal, () => undefined));
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  for (const leave of leaves) leave();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('one can wait again after all have left', () => {
  const controller = new AbortController();
  onAbort(controller.signal, () => assert.fail('it has left'))();
  let called = false;
  onAbort(controller.signal, () => {
    called = true;
  });
  controller.abort();
  assert.equal(called, true);
});

test('leaving while being called does no harm', () => {
  const controller = new AbortController();
  const leaves: (() => void)[] = [];
  let calls = 0;
  const leaveAll = () => {
    calls += 1;
    for (const leave of leaves) leave();
  };
  leaves.push(onAbort(controller.signal, leaveAll), onAbort(controller.signal, leaveAll));
  controller.abort();
  assert.equal(calls, 2);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});
