import { ask, endLink, type OpenLink, openLink } from './link.ts';
import { refuseUnserved } from './refusal.ts';
import type { TcpTarget } from './socket.ts';
import type { ClientCertificate, Slot, Transport, WireCommand } from './transport.ts';

export interface TcpOptions {
  readonly clientCertificate?: ClientCertificate | undefined;
  readonly monotonicMs: () => number;
}

/** One connection. It is never repaired: what fails is dropped, and the next request opens another. */
interface Link {
  readonly open: Promise<OpenLink>;
  /** Ends the opening. */
  readonly opening: AbortController;
  readonly sinceMs: number;
  inFlight: number;
  retired: boolean;
}

/**
 * A connection is used no longer than this, so that a name that has moved to another server is followed even where the
 * former one goes on answering. A handshake every five minutes costs nothing.
 */
const MAX_AGE_MS = 300_000;
/** Opening a connection, with TLS and login, may take as long as one attempt of a request (client.ts). */
const OPEN_TIMEOUT_MS = 5_000;

/**
 * Redis over TCP or TLS, by ioredis. In a file of its own, imported lazily: a run over REST never evaluates ioredis. An
 * idle connection keeps no process alive.
 */
export function createTcpTransport(target: TcpTarget, options: TcpOptions): Transport {
  const { where } = target;
  const links = new Set<Link>();
  let current: Link | undefined;

  const retire = (link: Link) => {
    link.retired = true;
    if (current === link) current = undefined;
    if (link.inFlight > 0) return;
    links.delete(link);
    link.opening.abort();
    link.open.then(({ connection }) => connection.disconnect()).catch(() => {});
  };

  const usableLink = (): Link => {
    if (current !== undefined && options.monotonicMs() - current.sinceMs > MAX_AGE_MS) retire(current);
    if (current !== undefined) return current;
    const opening = new AbortController();
    const deadline = AbortSignal.any([opening.signal, AbortSignal.timeout(OPEN_TIMEOUT_MS)]);
    const open = openLink(target, options.clientCertificate, deadline);
    const link: Link = { open, opening, sinceMs: options.monotonicMs(), inFlight: 0, retired: false };
    // One that the server has closed meanwhile is not tried.
    open.then(({ connection }) => connection.once('close', () => retire(link))).catch(() => {});
    links.add(link);
    current = link;
    return link;
  };

  const request = async (commands: readonly WireCommand[], signal: AbortSignal): Promise<Slot[]> => {
    const link = usableLink();
    link.inFlight += 1;
    const giveUp = () => link.opening.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      if (signal.aborted) giveUp();
      const open = await link.open;
      open.socket.ref();
      const slots = await ask(open, commands, target, signal);
      refuseUnserved(slots, commands, where);
      return slots;
    } catch (error) {
      // After a timeout replies are outstanding, and nobody else shall wait behind them. After "not here" or "not now"
      // a new connection may lead to another server.
      link.retired = true;
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
      link.inFlight -= 1;
      if (link.retired) retire(link);
      else if (link.inFlight === 0) link.open.then(({ socket }) => socket.unref());
    }
  };

  return {
    pipeline: request,
    async close() {
      for (const { opening } of links) opening.abort();
      await Promise.all([...links].map(({ open }) => open.then(endLink, () => {})));
      links.clear();
      current = undefined;
    },
  };
}
