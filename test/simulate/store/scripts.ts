import { acquireCall, releaseCall, renewCall } from '../../../lib/redis/lease.ts';
import type { Reply } from '../../../lib/redis/redis.ts';
import type { Script } from '../../../lib/redis/script.ts';
import { LEARN } from '../../../lib/sync/learn.lua.ts';
import { OPEN_ROUND } from '../../../lib/sync/open.lua.ts';
import { SETTLE_CANDIDATES } from '../../../lib/sync/settle.lua.ts';
import { WRITE_ROUND } from '../../../lib/sync/write.lua.ts';
import { expectKinds } from './kinds.ts';
import { learn } from './learn.ts';
import { settleCandidates } from './settle.ts';
import type { Store } from './store.ts';

/** A Lua script in JavaScript: the same keys and arguments, the same reply, the same writes. */
export type ScriptFunction = (store: Store, keys: readonly string[], args: readonly string[]) => Reply;

function renew(store: Store, key: string, token: string, ttlMs: string): boolean {
  return store.get(key) === token && store.expire(key, Number(ttlMs));
}

function acquire(store: Store, key: string, token: string, ttlMs: string): boolean {
  return (
    renew(store, key, token, ttlMs) || store.set(key, token, { ttlMs: Number(ttlMs), onlyIfAbsent: true })
  );
}

function release(store: Store, key: string, token: string): boolean {
  return store.get(key) === token && store.delete(key);
}

function openRound(store: Store, keys: readonly string[], args: readonly string[]): Reply {
  const [uuid = '', lease = '', consumers = '', health = '', cursor = '', ip = '', candidates = ''] = keys;
  const [ours, token = '', ttlMs = '', withCandidates, ...cursors] = args;
  if (!['none', 'string'].includes(store.kindOf(uuid))) return ['identity', 'of a wrong type'];
  const identity = store.get(uuid);
  if (identity?.toLowerCase() !== ours) return ['identity', identity ?? null];

  expectKinds(store, [
    [lease, 'string'],
    [consumers, 'hash'],
    [health, 'hash'],
    [cursor, 'hash'],
  ]);
  if (!acquire(store, lease, token, ttlMs)) return ['held'];

  const unusable: string[] = [];
  const readable = (key: string, name: string) => {
    if (['none', 'hash'].includes(store.kindOf(key))) return true;
    unusable.push(name);
    return false;
  };
  const own = readable(ip, 'ip')
    ? ['current', 'previous'].map((field) => store.field(ip, field) ?? null)
    : [];
  const known =
    withCandidates === '1' && readable(candidates, 'consumers:candidates')
      ? [...store.fields(candidates)].flat()
      : [];
  return [
    'ok',
    store.fields(consumers).size,
    own,
    cursors.map((field) => store.field(cursor, field) ?? null),
    known,
    unusable,
  ];
}

/** About as many as the script's `MAXLEN ~ 500` leaves. */
const MOST_SUMMARIES = 500;

function writeRound(store: Store, keys: readonly string[], args: readonly string[]): Reply {
  const [lease = '', health = '', cursor = '', consumers = '', rounds = ''] = keys;
  const [token = '', ttlMs = '', field = '', position = '', now = '', act, length, ...rest] = args;
  expectKinds(store, [
    [lease, 'string'],
    [health, 'hash'],
    [cursor, 'hash'],
    [consumers, 'hash'],
  ]);
  if (store.get(lease) !== token) return [0, 0, []];

  store.setFields(health, rest.slice(0, Number(length)));
  const keepCursor = (name: string, value: string) => {
    if (value === '0') store.deleteFields(cursor, [name]);
    else store.setFields(cursor, [name, value]);
  };
  if (position !== '') keepCursor(field, position);
  store.setFields(cursor, ['probed', now]);
  if (act === 'renew') {
    renew(store, lease, token, ttlMs);
    return [1, 0, []];
  }

  let removed: string[] = [];
  if (act === 'end-and-clean') {
    const page = scanFrom(store, health, store.field(cursor, 'health') ?? '0');
    removed = page.flat.filter((name, i) => i % 2 === 0 && store.field(consumers, name) === undefined);
    store.deleteFields(health, removed);
    keepCursor('health', page.next);
  }
  const usable = ['none', 'stream'].includes(store.kindOf(rounds));
  if (usable) store.append(rounds, rest.slice(Number(length)), MOST_SUMMARIES);
  release(store, lease, token);
  return [1, removed.length, usable ? [] : ['sync:rounds']];
}

function scanFrom(store: Store, key: string, cursor: string) {
  try {
    return store.scan(key, cursor, 1_000);
  } catch {
    return store.scan(key, '0', 1_000);
  }
}

const flag = (run: (store: Store, key: string, token: string, ttlMs: string) => boolean): ScriptFunction => {
  return (store, [key = ''], [token = '', ttlMs = '']) => (run(store, key, token, ttlMs) ? 1 : 0);
};

/** The counterpart of each script that a round may send. */
export const SCRIPTS: ReadonlyMap<Script, ScriptFunction> = new Map([
  [OPEN_ROUND, openRound],
  [WRITE_ROUND, writeRound],
  [LEARN, learn],
  [SETTLE_CANDIDATES, settleCandidates],
  [acquireCall('', '', 0).script, flag(acquire)],
  [renewCall('', '', 0).script, flag(renew)],
  [releaseCall('', '').script, flag(release)],
]);
