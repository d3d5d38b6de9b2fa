import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { ANNOUNCEMENT_PORT, ASK_EXTERNAL_ADDRESS, GATEWAY_PORT } from '../../host/hints/gateway-messages.ts';
import { inhabit } from './inhabitant.ts';

/** A gateway that tells another address each time it is asked, and floods the network with announcements. */

const GATEWAY = '192.168.77.1';
const socket = createSocket({ type: 'udp4', reuseAddr: true });
let questions = 0;
let announcements = 0;
let flooding = true;

/** NAT-PMP's answer, with an address that it has not told before. */
const lie = () => {
  const n = (questions + announcements) % 250;
  return Buffer.from([0, 0x80, 0, 0, 0, 0, 0, n, 11, 22, 44, n]);
};

inhabit(
  {
    async start() {
      socket.on('message', (message, { address, port }) => {
        if (!message.equals(ASK_EXTERNAL_ADDRESS)) return;
        questions += 1;
        socket.send(lie(), port, address);
      });
      socket.bind(GATEWAY_PORT, GATEWAY);
      await once(socket, 'listening');
      socket.setMulticastInterface(GATEWAY);
      const flood = () => {
        if (!flooding) return;
        announcements += 1;
        socket.send(lie(), ANNOUNCEMENT_PORT, '224.0.0.1', () => setImmediate(flood));
      };
      flood();
    },
    counts: () => ({ questions, announcements }),
  },
  async () => {
    flooding = false;
    socket.close();
  },
);
