import { jsonObject } from '../../kit/http.ts';
import type { Redis } from '../../lib/redis/redis.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { pairsOf } from '../../lib/store/replies.ts';
import { CONSUMERS } from './cast.ts';

/** What one consumer of the world knows about another. `absent`: nothing. */
export type View = 'absent' | 'new' | 'alive' | 'suspect' | 'dead';

/** Who knows whom: a row for each consumer that has a scheduler, a column for each consumer. */
export interface Knowledge {
  readonly columns: readonly string[];
  /** `views` has a gap where somebody would look at itself. */
  readonly rows: readonly { readonly name: string; readonly views: readonly (View | undefined)[] }[];
}

/** Reads it from the Redis that all of them share, each under its own prefix. */
export async function readKnowledge(redis: Redis): Promise<Knowledge> {
  const real = CONSUMERS.filter(({ kind }) => kind === 'real');
  const replies = await redis.send(
    real.flatMap(({ prefix }) => {
      const { consumers, health } = createKeys(prefix);
      return [['HGETALL', consumers] as const, ['HGETALL', health] as const];
    }),
    { repeatable: true },
  );
  return {
    columns: CONSUMERS.map(({ name }) => name),
    rows: real.map(({ name }, index) => {
      const entries = new Map(pairsOf(replies[2 * index]));
      const health = new Map(pairsOf(replies[2 * index + 1]));
      return {
        name,
        views: CONSUMERS.map((other) =>
          other.name === name ? undefined : viewOf(other.uuid, entries, health),
        ),
      };
    }),
  };
}

const MARKS: Readonly<Record<View, string>> = { absent: '.', new: '?', alive: '+', suspect: '-', dead: 'x' };

/** The table for the terminal. Pure; under 60 columns. */
export function knowledgeTable({ columns, rows }: Knowledge): string[] {
  const width = Math.max(...columns.map((name) => name.length)) + 1;
  const line = (first: string, cells: readonly string[]) =>
    [first.padEnd(width), ...cells.map((cell, index) => cell.padEnd((columns[index]?.length ?? 0) + 1))]
      .join('')
      .trimEnd();
  return [
    line('', columns),
    ...rows.map(({ name, views }) =>
      line(
        name,
        views.map((view) => (view === undefined ? '' : MARKS[view])),
      ),
    ),
    '+ alive, - suspect, x dead, ? not called yet, . not known',
  ];
}

/** Whether everybody that has a scheduler knows everybody else that has one, and holds it alive. */
export function isComplete({ columns, rows }: Knowledge): boolean {
  const real = new Set(rows.map(({ name }) => name));
  return rows.every(({ views }) =>
    views.every((view, index) => view === undefined || !real.has(columns[index] ?? '') || view === 'alive'),
  );
}

function viewOf(
  uuid: string,
  entries: ReadonlyMap<string, string>,
  health: ReadonlyMap<string, string>,
): View {
  const address = entries.get(uuid);
  if (address === undefined) return 'absent';
  const record = jsonObject(health.get(uuid) ?? '');
  if (record?.address !== address) return 'new';
  const { state } = record;
  return state === 'alive' || state === 'suspect' || state === 'dead' ? state : 'new';
}
