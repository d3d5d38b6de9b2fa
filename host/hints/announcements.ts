import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Host } from '../../lib/host.ts';
import { ANNOUNCEMENT_PORT, GATEWAY_PORT, parseGatewayMessage } from './gateway-messages.ts';

const GROUP = '224.0.0.1';
/** A gateway repeats an announcement ten times within two minutes (RFC 6886, 3.2.1): more than this in a row is a flood, */
const MOST_MESSAGES = 200;
/** and then, or where the port cannot be had, nobody listens for this long. */
const PAUSE_MS = 60_000;

/**
 * Listens for what gateways announce to all: that they have another external address, or started anew. `onAnnouncement`
 * gets the sender's address, which is easily forged. Without the port there are no announcements, and no error.
 */
export async function listenForAnnouncements(
  { sleep, onAnnouncement }: { sleep: Host['sleep']; onAnnouncement: (from: string) => void },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await listenOnce(onAnnouncement, signal);
    await sleep(PAUSE_MS, signal);
  }
}

async function listenOnce(onAnnouncement: (from: string) => void, signal: AbortSignal): Promise<void> {
  // Others on this machine may listen as well: each of them gets its copy of what is sent to the group.
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const closed = once(socket, 'close');
  let open = true;
  const close = () => {
    if (open) socket.close();
    open = false;
  };
  let messages = 0;
  socket.on('error', close);
  socket.on('message', (message, { address, port }) => {
    messages += 1;
    if (messages > MOST_MESSAGES) return close();
    if (port === GATEWAY_PORT && parseGatewayMessage(message) !== undefined) onAnnouncement(address);
  });
  socket.bind({ address: '0.0.0.0', port: ANNOUNCEMENT_PORT }, () => {
    try {
      // All systems are in this group anyway (RFC 1112); some deliver it only to who asks.
      socket.addMembership(GROUP);
    } catch {
      // No interface is up, or the system does not want to be asked.
    }
  });
  signal.addEventListener('abort', close, { once: true });
  await closed;
  signal.removeEventListener('abort', close);
}
