/**
 * What was found about one rule. `wrong` breaks the contract; `optional` is something that the contract only offers and this
 * peer does not do; `unchecked` could not be seen, and `found` says why.
 */
export interface Verdict {
  readonly result: 'holds' | 'wrong' | 'optional' | 'unchecked';
  readonly found: string;
}

/** One rule of the contract, and how to find out whether a peer keeps it. */
export interface Rule<Subject> {
  readonly rule: string;
  /** Page and heading. */
  readonly docs: `docs/${string}.md#${string}`;
  check(subject: Subject): Promise<Verdict>;
}

/** A rule with its verdict. */
export interface Finding extends Verdict {
  readonly rule: string;
  readonly docs: string;
}

export const holds = (found: string): Verdict => ({ result: 'holds', found });
export const wrong = (found: string): Verdict => ({ result: 'wrong', found });
export const optional = (found: string): Verdict => ({ result: 'optional', found });
export const unchecked = (found: string): Verdict => ({ result: 'unchecked', found });

/** Checks the rules one after the other: some go on from what others did. */
export async function checkRules<Subject>(
  rules: readonly Rule<Subject>[],
  subject: Subject,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { rule, docs, check } of rules) findings.push({ rule, docs, ...(await check(subject)) });
  return findings;
}
