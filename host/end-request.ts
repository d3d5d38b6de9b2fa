/** Ctrl-C in a terminal, a service manager or `kill`, and a terminal that was closed: each asks the process to end. */
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

/**
 * npm forwards a Ctrl-C that the terminal has already sent to every process of the group, at times late on a busy
 * machine: signals this close together are one request.
 */
const SAME_REQUEST_MS = 1_000;

/**
 * Calls `onRequest` once, with the first SIGINT, SIGTERM or SIGHUP. A second request, a second or more later, ends the
 * process at once with the exit code of a process that the signal has killed. Nothing is lost by that: what was begun is
 * taken up when its leases end.
 *
 * What it answers stops listening, but not after a request: npm's copy of the signal may come late, and must not end the
 * process while it says how far it came.
 *
 * SIGHUP counts under nohup(1) too: Node resets ignored signals when it starts, and would die of it.
 */
export function onEndRequest(onRequest: (signal: NodeJS.Signals) => void): () => void {
  let firstMs: number | undefined;
  const listener = (signal: NodeJS.Signals, number: number) => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      onRequest(signal);
    } else if (performance.now() - firstMs > SAME_REQUEST_MS) {
      process.exit(128 + number);
    }
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    if (firstMs !== undefined) return;
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}
