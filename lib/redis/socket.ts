import { connect as connectTcp, isIP, type Socket, setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { RedisUnavailableError } from '../errors.ts';
import { connectionFailure, misaddressed } from './failure.ts';
import type { ClientCertificate } from './transport.ts';
import type { RedisTarget } from './url.ts';

export type TcpTarget = Extract<RedisTarget, { kind: 'tcp' }>;

/**
 * What one address of a name with several may take, ms, for every connection of this process. Node's default of 250 gives
 * up on a server that is 250 ms away while it tries the family that has no route.
 */
const ATTEMPT_TIMEOUT_MS = 900;

/** After this time without traffic the system asks whether the other end is still there, ten times a second apart. */
const KEEP_ALIVE_MS = 15_000;

/** Lets servers far away behind a dual-stack name be reached, by whatever this process connects with. */
export function allowDistantServers(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(ATTEMPT_TIMEOUT_MS);
}

/**
 * Opens a connection, with the TLS handshake for `rediss://`. The signal ends the attempt.
 *
 * @throws RedisUnavailableError that tells how far it came and what to check.
 */
export async function openSocket(
  target: TcpTarget,
  certificate: ClientCertificate | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const { where, host, port, tls } = target;
  const plain = connectTcp({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  // What happens to the socket after this is told by those who wait for replies.
  plain.on('error', () => {});
  let open = plain;
  try {
    await event(plain, 'connect', signal);
    if (!tls) return plain;
    open = connectTls({
      socket: plain,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...certificate,
    });
    open.on('error', () => {});
    await event(open, 'secureConnect', signal);
    return open;
  } catch (error) {
    open.destroy();
    plain.destroy();
    const reset = error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
    if (open !== plain && (error === TIMED_OUT || reset)) {
      throw new RedisUnavailableError(misaddressed(where, 'plain', reset ? 'ECONNRESET' : 'no answer'), {
        mayHaveRun: false,
        trouble: 'protocol',
      });
    }
    if (error !== TIMED_OUT) throw connectionFailure(error, { where, sent: false });
    throw new RedisUnavailableError(
      `Redis at ${where} cannot be reached: nothing answered in time. Check REDIS_URL, and that no firewall is between.`,
      { mayHaveRun: false, trouble: 'unreachable' },
    );
  }
}

const TIMED_OUT = Symbol('timed out');

/** Resolves with the event. Rejects with the socket's error, with its end, or with TIMED_OUT. */
async function event(socket: Socket, name: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw TIMED_OUT;
  const settled = Promise.withResolvers<void>();
  const listeners = {
    [name]: () => settled.resolve(),
    error: (error: Error) => settled.reject(error),
    close: () => settled.reject(Object.assign(new Error(), { code: 'ECONNRESET' })),
  };
  const abort = () => settled.reject(TIMED_OUT);
  for (const [on, listener] of Object.entries(listeners)) socket.on(on, listener);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await settled.promise;
  } finally {
    for (const [on, listener] of Object.entries(listeners)) socket.off(on, listener);
    signal.removeEventListener('abort', abort);
  }
}
