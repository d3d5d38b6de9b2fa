/** Why the stack is to end. `again` is a second request: then it ends without waiting for anything. */
export interface EndRequest {
  readonly why: string;
  readonly again: boolean;
}

/** npm passes a Ctrl-C on that the terminal has already sent to the whole group: the two are one. */
const SAME_REQUEST_MS = 500;
const PARENT_CHECK_MS = 500;

/**
 * Calls `onEnd` for Ctrl-C, SIGTERM, SIGHUP, a terminal that is gone, and, where npm started this process, the death
 * of npm, which nobody else would tell us (its script goes on running as an orphan).
 */
export function watchForEnd(onEnd: (request: EndRequest) => void): void {
  let first: number | undefined;
  const request = (why: string) => {
    const now = performance.now();
    if (first !== undefined && now - first < SAME_REQUEST_MS) return;
    onEnd({ why, again: first !== undefined });
    first ??= now;
  };
  process.on('SIGINT', () => request('Ctrl-C'));
  process.on('SIGTERM', () => request('SIGTERM'));
  process.on('SIGHUP', () => request('the terminal was closed'));
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => request('nobody reads the output any more'));
  }
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    request('npm is gone');
  }, PARENT_CHECK_MS);
  timer.unref();
}
