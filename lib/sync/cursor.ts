/**
 * Where a round starts: at a page, in a *pass*, which is one walk over all pages and takes several rounds when one has not
 * the time. Whoever was probed since the pass began has had its turn: so an unfinished page makes progress in each
 * round, and nobody starves however short the rounds are.
 */
export interface Position {
  /** HSCAN's; `0` is the first page. */
  readonly cursor: string;
  /** When the pass began, by Redis's clock. */
  readonly passAt: number;
}

/** What is stored in `sync:cursor`; `0` stands for a pass that has ended, and leaves nothing to go on with. */
export function encodePosition(position: Position | 'end'): string {
  return position === 'end' ? '0' : `${position.cursor}@${position.passAt}`;
}

/** Reads what Redis holds, which may be anything; what cannot be read, or lies in the future, is a new pass at `at`. */
export function decodePosition(stored: unknown, at: number): Position {
  const [, cursor, passAt] = /^([^@]{1,64})@(\d{1,15})$/.exec(typeof stored === 'string' ? stored : '') ?? [];
  if (cursor === undefined || Number(passAt) > at) return { cursor: '0', passAt: at };
  return { cursor, passAt: Number(passAt) };
}
