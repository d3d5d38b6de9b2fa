import { jsonObject, type RunningServer, startServer } from '../../kit/http.ts';
import { cidr, inCidr, parseIp } from '../../lib/peers/ip-space.ts';
import { SIMULATED_NETWORK } from './cast.ts';

const NETWORK = cidr(SIMULATED_NETWORK);

/** The simulated public address, and how it changes. */
export interface PublicIp {
  get(): string;
  set(ip: string): void;
}

/**
 * The endpoint behind `npm run demo:ip`: `POST /ip` with `{"ip"?: string}` sets the simulated public address, the next
 * one of the network if none is named. Only JSON is accepted, so that no page in a browser can post to it.
 */
export function startControl(port: number, publicIp: PublicIp): Promise<RunningServer> {
  return startServer({
    listen: { host: '127.0.0.1', port },
    proxies: [],
    async handle({ method, path, headers, body }) {
      if (path !== '/ip' || method !== 'POST') return { status: 404 };
      if (headers['content-type'] !== 'application/json') return { status: 415 };
      const asked = jsonObject(body)?.ip;
      const from = publicIp.get();
      const to = asked === undefined ? nextIp(from) : parseIp(asked);
      if (to === undefined || !inCidr(to, NETWORK)) {
        return { status: 400, json: { error: `must be an address of ${SIMULATED_NETWORK}` } };
      }
      publicIp.set(to);
      return { status: 200, json: { from, to } };
    },
  });
}

/** The host after `ip` in the network, from .1 to .254 and round again. Pure. */
export function nextIp(ip: string) {
  const host = Number(ip.split('.')[3]);
  return parseIp(`203.0.113.${(host % 254) + 1}`);
}
