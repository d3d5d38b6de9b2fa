import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Ip, type IpFamily, parseIp } from '../../lib/peers/ip-space.ts';

/** Where packets go for which there is no other route. */
export interface DefaultRoute {
  readonly interface: string;
  /** Absent on a point-to-point link: there is nobody to ask. */
  readonly gateway?: Ip;
  /** The lowest is used. */
  readonly metric: number;
}

/** Flags of a route, from Linux's route.h. */
const UP = 0x1;
const REJECT = 0x200;

/** The default routes in Linux's `/proc/net/route`. Lines that cannot be read are passed over. */
export function parseRoutes4(text: string): DefaultRoute[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', destination, next = '', flags = '', , , metric = '', mask] = line.split(/\s+/);
    if (destination !== '00000000' || mask !== '00000000' || !/^[\da-f]{8}$/i.test(next)) return [];
    if (!isUsable(name, Number.parseInt(flags, 16)) || !/^\d{1,10}$/.test(metric)) return [];
    // In the machine's own byte order: on every machine that is supported, the last byte comes first.
    const gateway = parseIp(Buffer.from(next, 'hex').reverse().join('.'));
    return [routeOf(name, gateway, Number(metric))];
  });
}

/** The default routes in Linux's `/proc/net/ipv6_route`. Lines that cannot be read are passed over. */
export function parseRoutes6(text: string): DefaultRoute[] {
  return text.split('\n').flatMap((line) => {
    const [destination, length, , , next = '', metric = '', , , flags = '', name = ''] = line
      .trim()
      .split(/\s+/);
    if (destination !== '0'.repeat(32) || length !== '00' || !/^[\da-f]{32}$/i.test(next)) return [];
    if (!isUsable(name, Number.parseInt(flags, 16)) || !/^[\da-f]{1,8}$/i.test(metric)) return [];
    return [routeOf(name, parseIp(next.match(/.{4}/g)?.join(':')), Number.parseInt(metric, 16))];
  });
}

/** The default route in what macOS and the BSDs answer to `route -n get default`. */
export function parseRouteGet(text: string): DefaultRoute[] {
  const field = (name: string) => new RegExp(`^\\s*${name}: (\\S+)$`, 'm').exec(text)?.[1];
  const name = field('interface');
  if (name === undefined || !isUsable(name, UP)) return [];
  return [routeOf(name, parseIp(field('gateway')?.replace(/%.*$/, '')), 0)];
}

function isUsable(name: string, flags: number): boolean {
  return /^[^\s/%]{1,32}$/.test(name) && name !== 'lo' && (flags & UP) !== 0 && (flags & REJECT) === 0;
}

function routeOf(name: string, gateway: Ip | undefined, metric: number): DefaultRoute {
  const isNone = gateway === undefined || gateway === '0.0.0.0' || gateway === '::';
  return { interface: name, ...(!isNone && { gateway }), metric };
}

/**
 * The default routes of this machine, without root. Empty where there is none, or where this system does not tell. macOS
 * tells only another program, which is started if `mayStart`.
 */
export async function readDefaultRoutes(family: IpFamily, { mayStart = true } = {}): Promise<DefaultRoute[]> {
  try {
    if (process.platform === 'linux') {
      return family === 4
        ? parseRoutes4(await readFile('/proc/net/route', 'utf8'))
        : parseRoutes6(await readFile('/proc/net/ipv6_route', 'utf8'));
    }
    if (process.platform !== 'darwin' || !mayStart) return [];
    const args = ['-n', 'get', ...(family === 6 ? ['-inet6'] : []), 'default'];
    return parseRouteGet((await promisify(execFile)('/sbin/route', args, { timeout: 2_000 })).stdout);
  } catch {
    return [];
  }
}

/** The default route that calls take: the one with the lowest metric, among those of `through` if it has any. */
export function chooseRoute(routes: readonly DefaultRoute[], through?: string): DefaultRoute | undefined {
  const own = routes.filter((route) => route.interface === through);
  return (own.length > 0 ? own : routes).toSorted((a, b) => a.metric - b.metric)[0];
}
