import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Display } from '../../../cli/terminal.ts';
import { systemHost } from '../../../lib/host.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { redisForSuite } from '../../support/redis.ts';
import { seedState } from '../../support/report-states.ts';
import { envOf, KEYS, p2p } from './harness.ts';

describe('p2p status --watch', () => {
  const testRedis = redisForSuite();
  const ENV = { PEER_ALLOW_CIDRS: '198.51.100.0/24,10.0.0.0/8' };
  beforeEach(async () => {
    await testRedis().command('FLUSHALL');
    await seedState(testRedis().redis, 'well');
  });

  /** Runs it; each of `steps` is what happens between one look and the next, and then it is interrupted. */
  async function watching(
    terminal: FakeTerminal | undefined,
    steps: readonly (() => unknown)[],
    ...args: readonly string[]
  ) {
    const interrupt = Promise.withResolvers<void>();
    const left = [...steps];
    const sleep = async () => {
      await left.shift()?.();
      if (left.length === 0) interrupt.resolve();
    };
    return p2p(['status', '--watch', ...args], {
      env: envOf(testRedis(), ENV),
      brought: { host: { ...systemHost, sleep } },
      interrupt: interrupt.promise,
      ...(terminal === undefined ? {} : { display: terminal, onWrite: terminal.write }),
    });
  }

  test('draws each report over the one before, in one write, and leaves nothing of it', async () => {
    const terminal = fakeTerminal();
    const screens: string[][] = [];
    const writes: number[] = [];
    const look = () => {
      screens.push(terminal.lines());
      writes.push(terminal.writes());
    };
    const { code } = await watching(terminal, [
      async () => {
        look();
        await testRedis().command('DEL', KEYS.ip, KEYS.ipHistory, KEYS.rounds, KEYS.consumers);
      },
      async () => {
        look();
        await seedState(testRedis().redis, 'well');
      },
      look,
    ]);
    assert.equal(code, 0);
    assert.deepEqual(
      writes.map((count, i) => count - (writes[i - 1] ?? 1)),
      [1, 1, 1],
      'one write for each report',
    );
    const [first = [], shorter = [], last = []] = screens;
    assert.match(first[0] ?? '', /^OK /);
    assert.ok(first.some((line) => line.startsWith('rounds')));
    assert.match(shorter[0] ?? '', /^(ATTENTION|UNKNOWN) /);
    assert.ok(shorter.length < first.length);
    assert.doesNotMatch(shorter.join('\n'), /complete/, 'what was below is gone');
    assert.equal(last.length, first.length);
  });

  test('fits the terminal, whose size may change at any time, and keeps the verdict in sight', async () => {
    const terminal = fakeTerminal();
    await watching(terminal, [
      () => {
        terminal.resize(40, 8);
        const lines = terminal.lines();
        assert.match(lines[0] ?? '', /^OK /);
        assert.ok(lines.length < 8);
        assert.match(lines.at(-1) ?? '', /^\(\d+ more lines do not fit\)$/);
      },
      () => {
        terminal.resize(80, 24);
        assert.ok(terminal.lines().some((line) => line.startsWith('rounds')));
      },
    ]);
  });

  test('leaves the last report, and the cursor below it', async () => {
    const terminal = fakeTerminal();
    let before: string[] = [];
    await watching(terminal, [
      () => {
        before = terminal.lines();
      },
    ]);
    assert.deepEqual(terminal.lines(), before);
    assert.deepEqual(terminal.cursor(), { x: 0, y: before.length + 1 });
    assert.ok(terminal.wraps(), 'lines are wrapped again');
  });

  test('ends at Ctrl-C although Redis does not answer', async () => {
    const asked = Promise.withResolvers<void>();
    const redis: Redis = {
      send() {
        asked.resolve();
        return new Promise(() => undefined);
      },
      close: async () => undefined,
    };
    const { code } = await p2p(['status', '--watch'], {
      env: envOf(testRedis(), ENV),
      brought: { redis },
      interrupt: asked.promise,
      display: fakeTerminal(),
    });
    assert.equal(code, 0);
  });

  test('prints reports one below the other where stdout is no terminal', async () => {
    const { out } = await watching(undefined, [() => undefined, () => undefined]);
    assert.ok(!out.includes('\u001b'));
    assert.equal(out.match(/^OK /gm)?.length, 2);
    const json = await watching(fakeTerminal(), [() => undefined, () => undefined], '--json');
    const documents = json.out.split(/(?<=^\}\n)(?=\{)/m);
    assert.deepEqual(
      documents.map((text) => JSON.parse(text).verdict),
      ['ok', 'ok'],
    );
  });
});

interface FakeTerminal extends Display {
  write(text: string): void;
  resize(columns: number, rows: number): void;
  /** What is on the screen, without empty lines at the end. */
  lines(): string[];
  cursor(): { x: number; y: number };
  wraps(): boolean;
  writes(): number;
}

/** As much of a terminal as is needed. Throws for a control sequence that it does not know. */
function fakeTerminal(): FakeTerminal {
  let [columns, rows] = [80, 24];
  let grid = Array.from({ length: rows }, () => '');
  let [x, y, wraps, writes] = [0, 0, true, 0];
  let listener: () => void = () => undefined;
  const down = () => {
    if (y < rows - 1) y++;
    else grid = [...grid.slice(1), ''];
  };
  const steer: Readonly<Record<string, () => void>> = {
    '[H': () => {
      [x, y] = [0, 0];
    },
    '[2K': () => {
      grid[y] = '';
    },
    '[J': () => {
      grid = grid.map((line, i) => (i < y ? line : i === y ? line.slice(0, x) : ''));
    },
    '[?7l': () => {
      wraps = false;
    },
    '[?7h': () => {
      wraps = true;
    },
  };
  const put = (character: string) => {
    if (character === '\n') {
      x = 0;
      return down();
    }
    if (x === columns && wraps) {
      down();
      x = 0;
    }
    x = Math.min(x, columns - 1);
    const line = (grid[y] ?? '').padEnd(x);
    grid[y] = line.slice(0, x) + character + line.slice(x + 1);
    x++;
  };
  return {
    size: () => ({ columns, rows }),
    onResize(changed) {
      listener = changed;
      return () => undefined;
    },
    resize(toColumns, toRows) {
      [columns, rows] = [toColumns, toRows];
      grid = Array.from({ length: rows }, (_, i) => (grid[i] ?? '').slice(0, columns));
      y = Math.min(y, rows - 1);
      listener();
    },
    write(text) {
      writes++;
      const [plain = '', ...steered] = text.split('\u001b');
      for (const character of plain) put(character);
      for (const part of steered) {
        const [sequence = ''] = /^\[[?\d]*[A-Za-z]/.exec(part) ?? [];
        const act = steer[sequence];
        assert.ok(act, `unknown sequence ${part}`);
        act();
        for (const character of part.slice(sequence.length)) put(character);
      }
    },
    lines: () => grid.join('\n').trimEnd().split('\n'),
    cursor: () => ({ x, y }),
    wraps: () => wraps,
    writes: () => writes,
  };
}
