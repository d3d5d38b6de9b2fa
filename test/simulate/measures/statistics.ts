/** What is said of a number of measurements. */
export interface Statistics {
  readonly count: number;
  readonly mean: number;
  /** The least value that 99 % do not exceed. */
  readonly p99: number;
  readonly max: number;
}

/** Undefined for none: that nothing was measured is another thing than 0. */
export function describe(samples: readonly number[]): Statistics | undefined {
  if (samples.length === 0) return undefined;
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? 0;
  return {
    count: sorted.length,
    mean: sorted.reduce((sum, each) => sum + each, 0) / sorted.length,
    p99: at(Math.ceil(sorted.length * 0.99) - 1),
    max: at(sorted.length - 1),
  };
}
