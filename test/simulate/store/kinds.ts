import { RedisReplyError } from '../../../lib/errors.ts';
import type { Store } from './store.ts';

/** Throws what `expect_types` of the scripts answers: WRONGTYPE unless each key is absent or of its kind. */
export function expectKinds(store: Store, wanted: readonly (readonly [key: string, kind: string])[]): void {
  for (const [key, kind] of wanted) {
    const found = store.kindOf(key);
    if (found !== 'none' && found !== kind) {
      throw new RedisReplyError(`WRONGTYPE ${key} holds a ${found}, expected a ${kind}`);
    }
  }
}
