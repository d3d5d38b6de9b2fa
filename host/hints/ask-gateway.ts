import { createSocket } from 'node:dgram';
import { onAbort } from '../../lib/http/on-abort.ts';
import { type Ip, type IpFamily, parseIp } from '../../lib/peers/ip-space.ts';
import {
  ASK_EXTERNAL_ADDRESS,
  askForEpoch,
  GATEWAY_PORT,
  type GatewayState,
  parseGatewayMessage,
} from './gateway-messages.ts';

/** When the questions are sent: a datagram may get lost. RFC 6886, 3.1: after 250 ms, then doubling. */
const SEND_AT_MS = [0, 250, 750] as const;
/** A gateway that speaks PCP alone has answered; NAT-PMP, which tells more, has this long to come. */
const PREFER_NAT_PMP_MS = 300;
const DEADLINE_MS = 1_500;
/** Datagrams that are read of one gateway at most: more of them is a flood, not an answer. */
const MOST_MESSAGES = 20;

/** Whom to ask, and from where. */
export interface Gateway {
  readonly ip: Ip;
  /** The interface towards it: a link-local address means nothing without. */
  readonly interface: string;
  readonly family: IpFamily;
  readonly bindAddress?: Ip | undefined;
}

/** Asks a gateway how it is. Never rejects; undefined where it does not answer. */
export type AskGateway = (gateway: Gateway, signal: AbortSignal) => Promise<GatewayState | undefined>;

/**
 * Asks by NAT-PMP (IPv4 only) and PCP at once, from a socket of its own that takes datagrams of the gateway alone, and
 * answers the first usable one.
 */
export const askGateway: AskGateway = (gateway, signal) =>
  new Promise((resolve) => {
    const { ip, family, bindAddress } = gateway;
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const timers: NodeJS.Timeout[] = [];
    let settled = false;
    let spare: GatewayState | undefined;
    let messages = 0;

    const settle = (state?: GatewayState) => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      leave();
      socket.close();
      resolve(state);
    };
    const leave = onAbort(signal, settle);
    if (signal.aborted) return settle();
    timers.push(setTimeout(() => settle(spare), DEADLINE_MS));

    const send = () => {
      const own = parseIp(socket.address().address.replace(/%.*$/, ''));
      if (family === 4) socket.send(ASK_EXTERNAL_ADDRESS);
      if (own !== undefined) socket.send(askForEpoch(own));
    };
    // Also what the network answers to a datagram: nobody listens there, or there is no way.
    socket.on('error', () => settle(spare));
    socket.on('message', (message) => {
      messages += 1;
      const state = parseGatewayMessage(message);
      if (state?.protocol === 'NAT-PMP' || (state !== undefined && family === 6)) return settle(state);
      if (messages >= MOST_MESSAGES) return settle(spare ?? state);
      if (state === undefined || spare !== undefined) return;
      spare = state;
      timers.push(setTimeout(() => settle(spare), PREFER_NAT_PMP_MS));
    });
    const connect = () => {
      const host = ip.startsWith('fe80:') ? `${ip}%${gateway.interface}` : ip;
      socket.connect(GATEWAY_PORT, host, () => {
        if (settled) return;
        for (const atMs of SEND_AT_MS) timers.push(setTimeout(send, atMs));
      });
    };
    if (bindAddress === undefined) connect();
    else socket.bind({ address: bindAddress, port: 0 }, connect);
  });
