export type Level = 'ok' | 'warning' | 'failure';

/** One thing that was looked at. */
export interface Finding {
  readonly level: Level;
  /** What it is about, in one word. */
  readonly about: string;
  readonly says: string;
  /** What to do, unless all is well. */
  readonly todo?: string;
}

export const ok = (about: string, says: string): Finding => ({ level: 'ok', about, says });

export const warning = (about: string, says: string, todo: string): Finding => ({
  level: 'warning',
  about,
  says,
  todo,
});

export const failure = (about: string, says: string, todo: string): Finding => ({
  level: 'failure',
  about,
  says,
  todo,
});

/** Those that there is something to say about. */
export function present(findings: readonly (Finding | undefined)[]): Finding[] {
  return findings.filter((finding) => finding !== undefined);
}

/** A failure from an error of Redis: its first sentence is what happened, the others are what to do, or `check` is. */
export function unavailable(
  about: string,
  message: string,
  check = 'Check REDIS_URL, and that Redis is up and reachable from here.',
): Finding {
  const [says = '', ...todo] = message.split(/(?<=\.) (?=[A-Z])/);
  return failure(about, says, todo.join(' ') || check);
}
