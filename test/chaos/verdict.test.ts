import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Commit } from './commits.ts';
import type { Effect } from './producers.ts';
import { judge } from './verdict.ts';

const OLD = '203.0.113.1';
const NEW = '203.0.113.2';
const commit = (epoch: number, ip: string, ...owed: string[]): Commit => ({
  epoch,
  ip,
  at: epoch,
  owed: new Set(owed),
});
const effect = (epoch: number, ip: string): Effect => ({ epoch, ip, at: epoch });
const COMMITS = [commit(1, OLD, 'a'), commit(2, NEW, 'a')];
const judgeOne = (effects: Effect[], listed = true) => judge([{ uuid: 'a', listed, effects }], COMMITS, NEW);

test('a producer that was told each change in turn gives no cause for complaint', () => {
  assert.deepEqual(judgeOne([effect(1, OLD), effect(2, NEW)]), {
    lost: [],
    wrong: [],
    outOfOrder: [],
    duplicates: 0,
    foreign: 0,
  });
});

test('a change is lost if a producer that was known at it never got it, whatever it has', () => {
  assert.deepEqual(judgeOne([]).lost, ['a']);
  const { lost, wrong } = judgeOne([effect(1, OLD)]);
  assert.deepEqual({ lost, wrong }, { lost: ['a'], wrong: ['a'] });
});

test('nothing is owed to a producer that was not known at the last change, or is not listed in the end', () => {
  assert.deepEqual(judge([{ uuid: 'b', listed: true, effects: [] }], COMMITS, NEW).lost, []);
  assert.deepEqual(judgeOne([], false).lost, []);
});

test('an older address after a newer one is out of order, and wrong if it stays', () => {
  const stays = judgeOne([effect(2, NEW), effect(1, OLD)]);
  assert.deepEqual([stays.outOfOrder, stays.wrong, stays.lost], [['a'], ['a'], []]);
  const putRight = judgeOne([effect(2, NEW), effect(1, OLD), effect(2, NEW)]);
  assert.deepEqual([putRight.outOfOrder, putRight.wrong], [['a'], []]);
});

test('an epoch that comes again is a duplicate, and one with an address that it did not have is none of ours', () => {
  assert.equal(judgeOne([effect(2, NEW), effect(2, NEW)]).duplicates, 1);
  assert.equal(judgeOne([effect(1, NEW), effect(2, NEW)]).foreign, 1);
});
