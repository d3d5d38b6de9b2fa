import type { Lab } from './lab.ts';
import type { Figure } from './measure.ts';

/** What a row came to. A row that could not be measured here says why, loudly, and counts as not met. */
export type RowOutcome =
  | { readonly kind: 'measured'; readonly figures: readonly Figure[]; readonly notes: readonly string[] }
  | { readonly kind: 'skipped'; readonly why: string };

/** One benchmark: a claim of this project, measured beside what it is compared with. */
export interface Row {
  /** What `--only` takes. */
  readonly name: string;
  /** The claim in one line, what it is compared with included. */
  readonly title: string;
  /** The targets in words, for `--list`. */
  readonly targets: string;
  /** Takes over half a minute: runs only with `--all` or `--only`. */
  readonly long: boolean;
  /** The row is given up after this time. */
  readonly limitMs: number;
  /** Measures. What it starts through the lab, the lab ends. */
  run(lab: Lab): Promise<RowOutcome>;
}

export function isMet({ value, target }: Pick<Figure, 'value' | 'target'>): boolean {
  if (target === undefined) return true;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
}

/** Whether everything that this row promises was shown. A skipped row shows nothing. */
export function isShown(outcome: RowOutcome): boolean {
  return outcome.kind === 'measured' && outcome.figures.every(isMet);
}
