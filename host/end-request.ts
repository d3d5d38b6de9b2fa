/** npm passes a Ctrl-C on that the terminal has already sent to the whole group: the two are one. */
const SAME_REQUEST_MS = 500;

/**
 * Resolves with the signal that asks this process to end, SIGINT or SIGTERM. A second one ends it at once, with the exit
 * code of a process that the signal has killed: nothing is lost by that either. SIGHUP is left alone, so that
 * nohup(1) does what it is for.
 */
export function endRequested(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const request = (signal: NodeJS.Signals, number: number) => {
      if (firstMs !== undefined && performance.now() - firstMs > SAME_REQUEST_MS) process.exit(128 + number);
      firstMs ??= performance.now();
      resolve(signal);
    };
    process.on('SIGINT', (signal) => request(signal, 2));
    process.on('SIGTERM', (signal) => request(signal, 15));
  });
}
