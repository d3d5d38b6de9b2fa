import { RedisReplyError } from '../../../lib/errors.ts';
import { fnv1a } from '../../../lib/sync/shard.ts';

type Value =
  | { readonly kind: 'string'; readonly text: string; expiresMs: number }
  | { readonly kind: 'hash'; readonly fields: Map<string, string> }
  | { readonly kind: 'stream'; readonly entries: (readonly string[])[] };

/** Told of each field of a hash that is written; `before` is what stood there. */
export type OnField = (key: string, field: string, value: string, before: string | undefined) => void;

/**
 * What a round needs of Redis's data, in memory: strings that expire by the given clock, hashes, and streams. Operations
 * behave as Redis's, and throw its WRONGTYPE as a RedisReplyError. A key whose hash is empty is gone.
 */
export interface Store {
  kindOf(key: string): Value['kind'] | 'none';
  get(key: string): string | undefined;
  /** Answers whether it was written: with `onlyIfAbsent` it is not if the key is there. Without `ttlMs` it stays. */
  set(key: string, text: string, options?: { ttlMs?: number; onlyIfAbsent?: boolean }): boolean;
  /** Milliseconds that a key has left; Infinity if it does not expire, undefined if there is none. */
  ttlMs(key: string): number | undefined;
  expire(key: string, ttlMs: number): boolean;
  delete(key: string): boolean;
  field(key: string, field: string): string | undefined;
  fields(key: string): ReadonlyMap<string, string>;
  /** Field and value in turn. */
  setFields(key: string, flat: readonly string[]): void;
  deleteFields(key: string, fields: readonly string[]): void;
  /** One page of about `count` fields, flat, and the cursor of the next. Throws `ERR invalid cursor`. */
  scan(key: string, cursor: string, count: number): { next: string; flat: string[] };
  entries(key: string): readonly (readonly string[])[];
  /** Appends an entry and keeps the last `most`. */
  append(key: string, entry: readonly string[], most: number): void;
}

/** Cursors go through the 32-bit space of `fnv1a`, so that what is there from begin to end of a scan is met once. */
const CURSOR_SPACE = 2 ** 32;
const NO_FIELDS: ReadonlyMap<string, string> = new Map();

export function createStore(nowMs: () => number, onField: OnField = () => {}): Store {
  const values = new Map<string, Value>();

  const find = (key: string): Value | undefined => {
    const value = values.get(key);
    if (value?.kind !== 'string' || value.expiresMs > nowMs()) return value;
    values.delete(key);
    return undefined;
  };
  const of = <Kind extends Value['kind']>(key: string, kind: Kind) => {
    const value = find(key);
    if (value !== undefined && value.kind !== kind) {
      throw new RedisReplyError('WRONGTYPE Operation against a key holding the wrong kind of value');
    }
    return value as Extract<Value, { kind: Kind }> | undefined;
  };

  return {
    kindOf: (key) => find(key)?.kind ?? 'none',
    get: (key) => of(key, 'string')?.text,
    set(key, text, { ttlMs = Number.POSITIVE_INFINITY, onlyIfAbsent = false } = {}) {
      if (onlyIfAbsent && find(key) !== undefined) return false;
      values.set(key, { kind: 'string', text, expiresMs: nowMs() + ttlMs });
      return true;
    },
    ttlMs(key) {
      const value = of(key, 'string');
      return value === undefined ? undefined : value.expiresMs - nowMs();
    },
    expire(key, ttlMs) {
      const value = of(key, 'string');
      if (value === undefined) return false;
      value.expiresMs = nowMs() + ttlMs;
      return true;
    },
    delete: (key) => find(key) !== undefined && values.delete(key),
    field: (key, field) => of(key, 'hash')?.fields.get(field),
    fields: (key) => of(key, 'hash')?.fields ?? NO_FIELDS,
    setFields(key, flat) {
      let hash = of(key, 'hash');
      if (hash === undefined) {
        if (flat.length === 0) return;
        hash = { kind: 'hash', fields: new Map() };
        values.set(key, hash);
      }
      for (let i = 0; i + 1 < flat.length; i += 2) {
        const field = flat[i] ?? '';
        const value = flat[i + 1] ?? '';
        const before = hash.fields.get(field);
        hash.fields.set(field, value);
        onField(key, field, value, before);
      }
    },
    deleteFields(key, fields) {
      const hash = of(key, 'hash');
      for (const field of fields) hash?.fields.delete(field);
      if (hash?.fields.size === 0) values.delete(key);
    },
    scan(key, cursor, count) {
      if (!/^\d{1,20}$/.test(cursor)) throw new RedisReplyError('ERR invalid cursor');
      const fields = of(key, 'hash')?.fields ?? NO_FIELDS;
      const from = Number(cursor);
      const end =
        from + (fields.size <= count ? CURSOR_SPACE : Math.ceil((CURSOR_SPACE * count) / fields.size));
      const all = from === 0 && end >= CURSOR_SPACE;
      const flat: string[] = [];
      for (const [field, value] of fields) {
        const place = all ? from : fnv1a(field);
        if (place >= from && place < end) flat.push(field, value);
      }
      return { next: end >= CURSOR_SPACE ? '0' : String(end), flat };
    },
    entries: (key) => of(key, 'stream')?.entries ?? [],
    append(key, entry, most) {
      let stream = of(key, 'stream');
      if (stream === undefined) {
        stream = { kind: 'stream', entries: [] };
        values.set(key, stream);
      }
      stream.entries.push(entry);
      if (stream.entries.length > most) stream.entries.shift();
    },
  };
}
