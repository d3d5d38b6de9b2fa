import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamSlot } from '../../local/redis/upstream.ts';
import { createVirtualClock } from '../support/clock.ts';
import { createCommitLog } from './commits.ts';
import type { Connection } from './connection.ts';

const IP = '203.0.113.1';
const NOBODY: ReadonlySet<string> = new Set();
const reply = (...texts: string[]): UpstreamSlot => ({ reply: texts.map((text) => Buffer.from(text)) });
/** What a watched script comes to: the register before and after it, and who is due then. */
const slots = (before: string, after: string, ...due: string[]) => [
  reply(before, IP),
  reply(),
  reply(after, IP),
  reply(...due),
];

/** A connection that answers in turn what it is given. */
function answering(...answers: (UpstreamSlot[] | Promise<UpstreamSlot[]> | Error)[]): Connection {
  return {
    async pipeline() {
      const answer = answers.shift() ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    },
    close: () => {},
  };
}

test('a commit is owed to who was listed when it was sent and to who is due after it', async () => {
  const log = createCommitLog(createVirtualClock());
  const listed = new Set(['a']);
  const watched = log.watch(answering(slots('1', '2', 'b')), [], listed);
  listed.add('c');
  await watched;
  assert.deepEqual(
    log.commits.map(({ epoch, owed }) => [epoch, [...owed]]),
    [
      [1, ['a']],
      [2, ['a', 'b']],
    ],
  );
});

test('answers that get here in another order than they were given are read in theirs', async () => {
  const log = createCommitLog(createVirtualClock());
  const slow = Promise.withResolvers<UpstreamSlot[]>();
  const connection = answering(slow.promise, slots('1', '2'));
  const both = [log.watch(connection, [], NOBODY), log.watch(connection, [], NOBODY)];
  slow.resolve(slots('1', '1'));
  await Promise.all(both);
  assert.deepEqual(log.takeFaults(), []);
  assert.deepEqual(
    log.commits.map(({ epoch }) => epoch),
    [1, 2],
  );
});

test('a commit whose answer was lost is found afterwards, and owed to who was listed all the time', async () => {
  const log = createCommitLog(createVirtualClock());
  await assert.rejects(log.watch(answering(new Error('lost')), [], new Set(['a', 'b'])));
  await log.catchUp(answering([reply('3', IP)]), new Set(['b', 'c']));
  assert.deepEqual(
    log.commits.map(({ epoch, owed }) => [epoch, [...owed]]),
    [[3, ['b']]],
  );
});

test('an epoch that goes backward is a fault, once', async () => {
  const log = createCommitLog(createVirtualClock());
  await log.watch(answering(slots('1', '2')), [], NOBODY);
  await log.watch(answering(slots('2', '1')), [], NOBODY);
  assert.match(log.takeFaults().join(), /epoch 1 after 2/);
  assert.deepEqual(log.takeFaults(), []);
});
