/** What a figure has to come to for its target to be met. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** One thing that a row measured. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** Printed behind the value: `x`, `MB`, `ms`, `/s`. Empty for a bare number. */
  readonly unit: string;
  /** The lowest and the highest of the repetitions, where there were several. */
  readonly spread?: readonly [low: number, high: number];
  readonly target?: Target;
}

/** One timed run of a contestant. */
export interface Run {
  readonly ms: number;
  /** User and system time of the contestant's process, all its threads; undefined for a foreign tool. */
  readonly cpuMs?: number;
  /** The largest resident set of the contestant's process since it started. */
  readonly peakMb?: number;
  /** The most memory that was still in use right after a garbage collection; where the contestant samples it. */
  readonly liveMb?: number;
  /** What the contestant itself has to say about the run. */
  readonly facts: Readonly<Record<string, number>>;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('a median needs at least one value');
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/**
 * Runs the contestants in turn, A B A B …, after one run of each that does not count (it warms caches and compilers).
 * What slows the machine down for a while then slows all of them down.
 */
export async function interleave<Name extends string>(
  contestants: Readonly<Record<Name, () => Promise<Run>>>,
  repetitions: number,
): Promise<Record<Name, Run[]>> {
  const names = Object.keys(contestants) as Name[];
  const runs = {} as Record<Name, Run[]>;
  for (const name of names) runs[name] = [];
  for (const name of names) await contestants[name]();
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const name of names) runs[name].push(await contestants[name]());
  }
  return runs;
}

/**
 * How `ours` compares with `theirs`, from the pairs that ran one after the other: the median of the quotients with the
 * lowest and the highest. `rate` says how often as fast (more is better), `share` how much of it (less is better).
 */
export function comparison(
  name: string,
  kind: 'rate' | 'share',
  ours: readonly number[],
  theirs: readonly number[],
  target?: Target,
): Figure {
  if (ours.length !== theirs.length) throw new Error(`${name}: ${ours.length} runs against ${theirs.length}`);
  const quotients = ours.map((our, index) => {
    const their = theirs[index] ?? Number.NaN;
    return kind === 'rate' ? their / our : our / their;
  });
  return {
    name,
    value: median(quotients),
    unit: 'x',
    spread: [Math.min(...quotients), Math.max(...quotients)],
    ...(target === undefined ? {} : { target }),
  };
}

/** The median of several readings of one figure, with its spread. */
export function reading(name: string, unit: string, values: readonly number[], target?: Target): Figure {
  return {
    name,
    value: median(values),
    unit,
    spread: [Math.min(...values), Math.max(...values)],
    ...(target === undefined ? {} : { target }),
  };
}
