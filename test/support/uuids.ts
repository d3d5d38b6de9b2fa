import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';

/**
 * The `n`-th UUID of a test, for a whole `n` below 2 ** 32. It begins with `n` in hexadecimal, so that short forms tell
 * UUIDs apart, and holds a letter, so that case matters.
 */
export function uuidOf(n: number): Uuid {
  const uuid = parseUuid(`${n.toString(16).padStart(8, '0')}-0000-4000-a000-000000000000`);
  if (uuid === undefined) throw new RangeError(`${n} is not the number of a UUID`);
  return uuid;
}
