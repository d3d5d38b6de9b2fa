/** Chance that a seed decides, so that a run can be had again. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  /** One of the items, which are not none. */
  pick<T>(items: readonly [T, ...T[]]): T;
  /** An item by its weight. */
  weighted<T>(items: readonly [readonly [weight: number, item: T], ...(readonly [number, T])[]]): T;
  /**
   * Another stream, for one subject alone: what it draws depends on its own past, not on the order in which the
   * subjects of a run happen to draw.
   */
  fork(label: string): Random;
}

/** Mulberry32: 32 bits of state, far more than enough to choose among faults. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    chance: (p) => next() < p,
    between: (min, max) => min + Math.floor(next() * (max - min + 1)),
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
    weighted(items) {
      let left = next() * items.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, item] of items) {
        left -= weight;
        if (left < 0) return item;
      }
      return items[0][1];
    },
    fork: (label) => createRandom(hash(label, seed)),
  };
}

/** FNV-1a, begun at a seed. */
function hash(text: string, seed: number): number {
  let value = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
