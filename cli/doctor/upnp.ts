import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { exchange } from '../../lib/http/exchange.ts';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';

/** SSDP (UPnP Device Architecture 1.1, 1.3.2). */
const SSDP = { address: '239.255.255.250', port: 1900 } as const;
const SEARCH_MS = 1_500;
const REQUEST_MS = 2_000;
const MOST_BYTES = 65_536;
/** The services of an internet gateway that have the actions below, the newest last. */
const SERVICE = /urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12]/;
const USER_AGENT = 'p2p-consumer-scheduler UPnP/1.1';

/** What a gateway says of itself by UPnP. */
export interface UpnpGateway {
  readonly external?: Ip;
  /** Where the gateway forwards the asked port to: `none` if its list has no entry; absent if it does not say. */
  readonly forward?: 'none' | { readonly client: Ip; readonly port: number };
}

/** Asks the gateway at `gateway` by UPnP about its external address and the forward of a TCP port. Never rejects. */
export async function askUpnp(
  gateway: Ip,
  externalPort: number,
  from?: Ip,
): Promise<UpnpGateway | undefined> {
  const location = await search(gateway, from);
  if (location === undefined) return undefined;
  const description = await request(location, {});
  const service = description === undefined ? undefined : findService(description);
  if (service === undefined) return undefined;
  const control = { ...location, path: service.controlPath };
  const [address, mapping] = await Promise.all([
    act(control, service.type, 'GetExternalIPAddress', {}),
    act(control, service.type, 'GetSpecificPortMappingEntry', {
      NewRemoteHost: '',
      NewExternalPort: String(externalPort),
      NewProtocol: 'TCP',
    }),
  ]);
  const external = parseIp(field(address, 'NewExternalIPAddress'));
  const forward = readForward(mapping);
  return {
    ...(external !== undefined && external !== '0.0.0.0' && { external }),
    ...(forward !== undefined && { forward }),
  };
}

/** Where in a gateway something is. The gateway's own address, whatever it names: nobody else is asked. */
interface Place {
  readonly host: Ip;
  readonly port: number;
  readonly path: string;
}

/** Finds the gateway's description: its answer to a search names it. */
function search(gateway: Ip, from: Ip | undefined): Promise<Place | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const settle = (place?: Place) => {
      clearTimeout(timer);
      socket.removeAllListeners('message');
      socket.close(() => resolve(place));
    };
    const timer = setTimeout(settle, SEARCH_MS);
    socket.on('error', () => undefined);
    socket.on('message', (message, { address }) => {
      const place = address === gateway ? readLocation(message.toString('latin1'), gateway) : undefined;
      if (place !== undefined) settle(place);
    });
    const lines = [
      'M-SEARCH * HTTP/1.1',
      `HOST: ${SSDP.address}:${SSDP.port}`,
      'MAN: "ssdp:discover"',
      'MX: 1',
      'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1',
      '',
      '',
    ];
    socket.bind({ port: 0, ...(from !== undefined && { address: from }) }, () => {
      try {
        if (from !== undefined) socket.setMulticastInterface(from);
      } catch {
        // The system's choice will do.
      }
      socket.send(lines.join('\r\n'), SSDP.port, SSDP.address);
    });
  });
}

/** The place that an answer to a search names, if it is on the gateway itself. */
export function readLocation(answer: string, gateway: Ip): Place | undefined {
  const url = /^location:[ \t]*(\S{1,500})[ \t]*\r?$/im.exec(answer)?.[1];
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { protocol, hostname, port, pathname, search: query } = new URL(url);
  if (protocol !== 'http:' || hostname !== gateway) return undefined;
  return { host: gateway, port: port === '' ? 80 : Number(port), path: `${pathname}${query}` };
}

/** The service of a gateway's description that knows of addresses and forwards, and the path at which it is asked. */
export function findService(description: string): { type: string; controlPath: string } | undefined {
  for (const [service] of description.matchAll(/<service>[\s\S]{0,2000}?<\/service>/g)) {
    const type = SERVICE.exec(field(service, 'serviceType') ?? '')?.[0];
    const control = field(service, 'controlURL');
    if (type === undefined || control === undefined || !URL.canParse(control, 'http://gateway/')) continue;
    const { pathname, search: query } = new URL(control, 'http://gateway/');
    if (!pathname.startsWith('/')) continue;
    return { type, controlPath: `${pathname}${query}` };
  }
  return undefined;
}

/** Calls an action of the service. The answer is the text of the reply, an error of the service as well. */
function act(
  place: Place,
  type: string,
  action: string,
  args: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const fields = Object.entries(args).map(([name, value]) => `<${name}>${value}</${name}>`);
  const body =
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${type}">${fields.join('')}</u:${action}></s:Body></s:Envelope>`;
  return request(place, {
    body,
    headers: ['content-type: text/xml; charset="utf-8"', `soapaction: "${type}#${action}"`],
  });
}

async function request(
  { host, port, path }: Place,
  { body, headers = [] }: { body?: string; headers?: readonly string[] },
): Promise<string | undefined> {
  const outcome = await exchange({
    method: body === undefined ? 'GET' : 'POST',
    path,
    headers: [`host: ${host}:${port}`, `user-agent: ${USER_AGENT}`, 'connection: close', ...headers],
    ...(body !== undefined && { body }),
    connect: (onread) => connect({ host, port, onread }),
    timeoutMs: REQUEST_MS,
    maxBodyBytes: MOST_BYTES,
  });
  // The service answers errors with 500.
  return outcome.kind === 'replied' ? outcome.body.toString('utf8') : undefined;
}

/** UPnP's error NoSuchEntryInArray. */
const NO_SUCH_ENTRY = '714';

function readForward(answer: string | undefined): UpnpGateway['forward'] {
  if (field(answer, 'errorCode') === NO_SUCH_ENTRY) return 'none';
  const client = parseIp(field(answer, 'NewInternalClient'));
  const port = Number(field(answer, 'NewInternalPort'));
  if (client === undefined || !(port >= 1 && port <= 65_535)) return undefined;
  return field(answer, 'NewEnabled') === '0' ? 'none' : { client, port };
}

/** The text of the first element of this name. Gateways write no entities and no comments where it matters. */
function field(xml: string | undefined, name: string): string | undefined {
  const match = new RegExp(`<(?:\\w{1,20}:)?${name}(?:\\s[^>]{0,200})?>\\s*([^<>]{0,500}?)\\s*</`).exec(
    xml ?? '',
  );
  return match?.[1];
}
