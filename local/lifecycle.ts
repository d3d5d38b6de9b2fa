import { onEndRequest } from '../host/end-request.ts';

/** Thrown for what a user can put right (a used port, a wrong variable): its message is all that is shown of it. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

const PARENT_CHECK_MS = 500;
const WHY: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGINT: 'Ctrl-C',
  SIGHUP: 'the terminal was closed',
};

/**
 * Calls `onEnd`, at least once, for Ctrl-C, SIGTERM, SIGHUP, a terminal that is gone, and, where npm started this process,
 * the death of npm, which nobody else would tell us (its script goes on running as an orphan). A second signal ends the
 * process at once.
 */
export function watchForEnd(onEnd: (why: string) => void): void {
  onEndRequest((signal) => onEnd(WHY[signal] ?? signal));
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => onEnd('nobody reads the output any more'));
  }
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onEnd('npm is gone');
  }, PARENT_CHECK_MS);
  timer.unref();
}
