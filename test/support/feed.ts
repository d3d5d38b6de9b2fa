import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A list that grows, and what has not come yet can be waited for. */
export interface Feed<Item> {
  readonly items: readonly Item[];
  push(item: Item): void;
  /**
   * Resolves with the first `count` (1) items that match, at once if they are there. Pair it with the test's timeout.
   * Rejects with the error that `end` was called with, if it was.
   */
  matching(matches: (item: Item) => boolean, count?: number): Promise<readonly Item[]>;
  /** Resolves with the first item that matches, as `matching` does. */
  first(matches: (item: Item) => boolean): Promise<Item>;
  /** Nothing more will come: who still waits is told why. */
  end(why: () => Error): void;
}

/** Makes an empty feed. */
export function createFeed<Item>(): Feed<Item> {
  const items: Item[] = [];
  const waiting = new Set<() => void>();
  let ended: (() => Error) | undefined;
  const wakeAll = () => {
    for (const wake of waiting) wake();
  };
  const feed: Feed<Item> = {
    items,
    push(item) {
      items.push(item);
      wakeAll();
    },
    matching: (matches, count = 1) =>
      new Promise((resolve, reject) => {
        const wake = () => {
          const found = items.filter(matches);
          if (found.length < count && ended === undefined) return;
          waiting.delete(wake);
          if (found.length >= count) resolve(found);
          else if (ended !== undefined) reject(ended());
        };
        waiting.add(wake);
        wake();
      }),
    first: async (matches) => {
      const [found] = await feed.matching(matches);
      if (found === undefined) throw new Error('Nothing matches.');
      return found;
    },
    end(why) {
      ended = why;
      wakeAll();
    },
  };
  return feed;
}

/** The lines that a process writes, on both streams. They end with the process, and then say so to who still waits. */
export function feedOf(child: ChildProcessWithoutNullStreams): Feed<string> {
  const lines = createFeed<string>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', lines.push);
  child.once('close', () =>
    lines.end(() => new Error(`It has ended, and has said:\n${lines.items.join('\n')}`)),
  );
  return lines;
}
