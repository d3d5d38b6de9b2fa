import type { Reply } from '../../../lib/redis/redis.ts';
import { expectKinds } from './kinds.ts';
import type { Store } from './store.ts';

const WIDTH = 8;

/** `settle-candidates`: everything is read first and written at the end, as there. */
export function settleCandidates(store: Store, keys: readonly string[], args: readonly string[]): Reply {
  const [lease = '', consumers = '', health = '', candidates = ''] = keys;
  expectKinds(store, [
    [lease, 'string'],
    [consumers, 'hash'],
    [health, 'hash'],
    [candidates, 'hash'],
  ]);
  if (store.get(lease) !== args[0]) return [0, [], []];

  const written = { consumers: [] as string[], health: [] as string[], kept: [] as string[] };
  const gone: string[] = [];
  const promoted: string[] = [];
  const moved: string[] = [];
  for (let i = 1; i < args.length; i += WIDTH) {
    const [act, uuid = '', json, a = '', b = '', field = '', raw, old] = args.slice(i, i + WIDTH);
    if (store.field(candidates, uuid) !== json) continue;
    if (act === 'keep') written.kept.push(uuid, a);
    else gone.push(uuid);
    const known = [uuid, uuid.toUpperCase()].some((name) => store.field(consumers, name) !== undefined);
    if (act === 'promote' && !known) {
      written.consumers.push(uuid, a);
      written.health.push(uuid, b);
      promoted.push(uuid);
    } else if (
      act === 'move' &&
      store.field(consumers, field) === raw &&
      store.field(health, field) === old
    ) {
      written.consumers.push(field, a);
      written.health.push(field, b);
      moved.push(uuid);
    }
  }
  store.setFields(health, written.health);
  store.setFields(consumers, written.consumers);
  store.setFields(candidates, written.kept);
  store.deleteFields(candidates, gone);
  return [1, promoted, moved];
}
