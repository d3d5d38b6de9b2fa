interface Waiting {
  readonly callbacks: Set<{ readonly call: () => void }>;
  readonly listener: () => void;
}

const WAITING = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `callback` when `signal` aborts, unless the returned function was called before. The caller checks for a signal
 * that has aborted already.
 *
 * All that wait for one signal share a single listener: adding one to an EventTarget walks all that are there, which
 * hundreds of calls in flight would pay for with each call, and one that stays behind leaks as long as the signal lives.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const waiting = WAITING.get(signal) ?? listen(signal);
  const entry = { call: callback };
  waiting.callbacks.add(entry);
  return () => {
    if (!waiting.callbacks.delete(entry) || waiting.callbacks.size > 0) return;
    signal.removeEventListener('abort', waiting.listener);
    WAITING.delete(signal);
  };
}

function listen(signal: AbortSignal): Waiting {
  const callbacks: Waiting['callbacks'] = new Set();
  const listener = () => {
    WAITING.delete(signal);
    const called = [...callbacks];
    callbacks.clear();
    for (const { call } of called) call();
  };
  const waiting = { callbacks, listener };
  signal.addEventListener('abort', listener, { once: true });
  WAITING.set(signal, waiting);
  return waiting;
}
