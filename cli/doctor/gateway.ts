import { askGateway } from '../../host/hints/ask-gateway.ts';
import type { GatewayState } from '../../host/hints/gateway-messages.ts';
import { gatewayOf, lookAround } from '../../host/hints/hints.ts';
import type { LocalAddress } from '../../host/hints/interfaces.ts';
import type { Config } from '../../lib/config.ts';
import { familyOf, type Ip, isPublicUnicast } from '../../lib/peers/ip-space.ts';
import { type Finding, failure, ok, present, warning } from './finding.ts';
import { askUpnp, type UpnpGateway } from './upnp.ts';

/** What this machine's network looks like from here. */
export interface NetworkLook {
  readonly addresses: readonly LocalAddress[];
  /** Why `BIND_ADDRESS` cannot be used, if it cannot. */
  readonly bindFault?: string | undefined;
  /** Absent where there is no default gateway, or `IP_HINTS` leaves it alone. */
  readonly gateway?: {
    readonly ip: Ip;
    readonly state?: GatewayState;
    readonly upnp?: UpnpGateway;
  };
}

/** Looks at this machine's interfaces, and asks its default gateway unless `IP_HINTS` leaves that alone. Never rejects. */
export async function lookAtNetwork(config: Pick<Config, 'host' | 'ip' | 'peers'>): Promise<NetworkLook> {
  const around = await lookAround(config);
  if (around === undefined) return { addresses: [] };
  const { addresses, bindFault } = around;
  const gateway = config.host.hints.gateway ? gatewayOf(around, config) : undefined;
  if (gateway === undefined) return { addresses, bindFault };
  const { ip, family, bindAddress } = gateway;
  const [state, upnp] = await Promise.all([
    askGateway(gateway, new AbortController().signal),
    family === 4 ? askUpnp(ip, config.peers.port, bindAddress) : undefined,
  ]);
  return {
    addresses,
    bindFault,
    gateway: { ip, ...(state !== undefined && { state }), ...(upnp !== undefined && { upnp }) },
  };
}

const BEHIND_ANOTHER_NAT =
  'Ask your provider for a public IPv4 address, use IPv6 (IP_FAMILY=6), or go out by a small server with a public ' +
  'address: see "Behind a carrier\'s NAT" in docs/HOST.md.';

/**
 * Holds what the gateway tells against what the sources see (`seen`), and says which hints work here. It speaks of the
 * machine that it runs on: where the scheduler runs elsewhere, it says nothing about that. Pure.
 */
export function judgeNetwork(
  { addresses, gateway, bindFault }: NetworkLook,
  { seen, config }: { seen: Ip | undefined; config: Pick<Config, 'host' | 'ip' | 'peers'> },
): Finding[] {
  return present([
    bindAddress(config, bindFault),
    ofGateway(addresses, gateway, seen),
    forward(addresses, gateway?.upnp, config.peers.port),
    hints(gateway, config),
  ]);
}

function bindAddress(
  { peers: { bindAddress: ip }, ip: { family } }: Pick<Config, 'peers' | 'ip'>,
  fault: string | undefined,
): Finding | undefined {
  if (ip === undefined) return undefined;
  if (fault !== undefined) {
    return failure('bind', fault, 'Name one of these, or leave BIND_ADDRESS empty. See: ip address.');
  }
  if (familyOf(ip) === family) return ok('bind', `calls leave from ${ip}, as BIND_ADDRESS says`);
  return warning(
    'bind',
    `BIND_ADDRESS ${ip} is no IPv${family} address: the sources are not asked from it`,
    `Name an address of IP_FAMILY=${family}.`,
  );
}

function ofGateway(
  addresses: readonly LocalAddress[],
  gateway: NetworkLook['gateway'],
  seen: Ip | undefined,
): Finding | undefined {
  const own = addresses.find(({ ip }) => ip === seen);
  if (own !== undefined)
    return ok('gateway', `${own.ip} is on this machine's own interface ${own.interface}`);
  if (gateway === undefined) return undefined;
  const external = gateway.state?.external ?? gateway.upnp?.external;
  if (external === undefined) {
    return ok(
      'gateway',
      `${gateway.ip} does not tell its external address (NAT-PMP, UPnP): nothing to compare`,
    );
  }
  if (seen === undefined || external === seen) {
    const agree = seen === undefined ? '' : ', as the sources see it';
    return ok('gateway', `${gateway.ip} has the external address ${external}${agree}`);
  }
  if (!isPublicUnicast(external)) {
    return warning(
      'gateway',
      `${gateway.ip} has the external address ${external}, which is not public, and the sources see ${seen}: ` +
        'a carrier-grade NAT or a second router is in between, and nobody can reach a consumer API here',
      BEHIND_ANOTHER_NAT,
    );
  }
  return warning(
    'gateway',
    `${gateway.ip} has the external address ${external}, but the sources see ${seen}: calls leave by another router, ` +
      'a VPN or a proxy',
    'Peers record the address that calls come from. BIND_ADDRESS chooses an uplink: see "Two uplinks" in docs/HOST.md.',
  );
}

function forward(
  addresses: readonly LocalAddress[],
  upnp: UpnpGateway | undefined,
  port: number,
): Finding | undefined {
  const to = upnp?.forward;
  if (to === undefined) return undefined;
  if (to === 'none') {
    // What was set up in the router's own pages is not in this list on many routers.
    return ok(
      'forward',
      `UPnP lists no forward of port ${port}; one that was made by hand may not be in its list`,
    );
  }
  if (addresses.some(({ ip }) => ip === to.client)) {
    return ok('forward', `port ${port} is forwarded to this machine, port ${to.port}`);
  }
  return warning(
    'forward',
    `port ${port} is forwarded to ${to.client}, which is not this machine`,
    'Right if the consumer API runs there. Else put the forward right in the router.',
  );
}

function hints(gateway: NetworkLook['gateway'], { host }: Pick<Config, 'host'>): Finding {
  const asked = host.hints.gateway;
  const works = [
    ...(host.hints.interface ? ["this machine's interfaces"] : []),
    ...(gateway?.state === undefined ? [] : [`the gateway by ${gateway.state.protocol}`]),
  ];
  const silent = asked && gateway !== undefined && gateway.state === undefined;
  const rest = silent ? '; the gateway speaks neither NAT-PMP nor PCP' : '';
  if (works.length === 0) return ok('hints', `none: a change is noticed by the schedule alone${rest}`);
  return ok('hints', `a host notices a change at once by ${works.join(' and ')}${rest}`);
}
