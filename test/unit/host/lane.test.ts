import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLane } from '../../../host/lane.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Tasks that say that they have started, and end when told to. */
function createTasks() {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    started,
    make: (name: string) => () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    },
    async end(name: string) {
      ends.get(name)?.();
      await turn();
    },
  };
}

describe('a lane', () => {
  test('never starts a task before its caller goes on', async () => {
    const { started, make } = createTasks();
    assert.equal(createLane({ atOnce: 1, waiting: 1, random: () => 0 }).add(make('a')), true);
    assert.deepEqual(started, []);
    await turn();
    assert.deepEqual(started, ['a']);
  });

  test('runs so many at once, and starts another where one has ended', async () => {
    const { started, make, end } = createTasks();
    const lane = createLane({ atOnce: 2, waiting: 9, random: () => 0 });
    for (const name of ['a', 'b', 'c', 'd']) lane.add(make(name));
    await turn();
    assert.deepEqual(started, ['a', 'b']);
    await end('b');
    assert.deepEqual(started, ['a', 'b', 'c']);
  });

  test('takes any of the waiting ones next, so that none is always the last', async () => {
    const { started, make, end } = createTasks();
    const lane = createLane({ atOnce: 1, waiting: 9, random: () => 0.99 });
    for (const name of ['a', 'b', 'c']) lane.add(make(name));
    await turn();
    await end('c');
    await end('b');
    assert.deepEqual(started, ['c', 'b', 'a']);
  });

  test('lets a bounded number wait, and says so to the next', async () => {
    const { make } = createTasks();
    const lane = createLane({ atOnce: 1, waiting: 2, random: () => 0 });
    lane.add(make('a'));
    await turn();
    assert.deepEqual(
      ['b', 'c', 'd'].map((name) => lane.add(make(name))),
      [true, true, false],
    );
  });

  test('that is closed starts nothing any more', async () => {
    const { started, make, end } = createTasks();
    const lane = createLane({ atOnce: 1, waiting: 9, random: () => 0 });
    lane.add(make('a'));
    lane.add(make('b'));
    await turn();
    lane.close();
    await end('a');
    assert.equal(lane.add(make('c')), false);
    await turn();
    assert.deepEqual(started, ['a']);
  });
});
