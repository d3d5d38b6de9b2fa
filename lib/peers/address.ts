import {
  type Cidr,
  carriesV4,
  cidr,
  familyOf,
  type Ip,
  inAnyCidr,
  isInside,
  isPublicUnicast,
  isThisMachine,
  MAX_IP_LENGTH,
  parseIp,
  V4_INSIDE,
} from './ip-space.ts';

declare const addressBrand: unique symbol;

/** Where a peer listens. Only an `AddressPolicy` makes one, so that having one proves that it may be dialled. */
export interface Address {
  readonly ip: Ip;
  readonly port: number;
  /** `ip:port`, v6 in brackets, the port always there: equal keys are equal addresses. */
  readonly key: string;
  readonly [addressBrand]: true;
}

/** Why a string is no address that we call. */
export type AddressRefusal = 'not-an-address' | 'not-public' | 'forbidden' | 'self';

export interface AddressPolicy {
  /** Reads what Redis, a reply or an operator gave. Pure; never throws. */
  parse(raw: unknown): { address: Address } | { refused: AddressRefusal };
  /** Whether a socket may be connected to this IP and port; asked again right before dialling and once connected. */
  permits(ip: Ip, port: number): boolean;
}

/**
 * Never dialled, whatever `PEER_ALLOW_CIDRS` says: instance metadata and platform services, which give away the credentials
 * of what runs there, and addresses that are no host's. IPv6 forms that carry a v4 address belong to it (`carriesV4`).
 */
const NEVER: readonly Cidr[] = [
  '0.0.0.0/8', // on Linux 0.0.0.0 is this machine
  '100.100.100.200/32', // Alibaba
  '168.63.129.16/32', // Azure
  '169.254.0.0/16', // AWS, Google, Azure, Oracle and others; Lambda's own services
  '192.0.0.192/32', // Oracle
  '255.255.255.255/32',
  'fd00:c1::a9fe:a9fe/128', // Oracle
  'fd00:ec2::/32', // AWS
  'fd20:ce::254/128', // Google
  'fe80::/10',
].map(cidr);

/** In `::/96`, and no IPv4 address. */
const LOOPBACK_V6 = cidr('::1/128');

/** Whether no address of `network` may ever be dialled, so that it would be allowed in vain. */
export function isNeverDialled(network: Cidr): boolean {
  return isInside(network, [...NEVER, ...V4_INSIDE]) && !isInside(LOOPBACK_V6, [network]);
}

/**
 * The rules for calling a stranger's address: an IP literal with an optional port, public unicast or inside `allow`,
 * never a metadata service, never the runtime API that `runtimeApi` (`AWS_LAMBDA_RUNTIME_API`, `ip:port`) names.
 *
 * @example
 * const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
 * policy.parse('8.8.8.8');     // { address: { ip: '8.8.8.8', port: 80, key: '8.8.8.8:80' } }
 * policy.parse('10.0.0.1:80'); // { refused: 'not-public' }
 */
export function createAddressPolicy(rules: {
  defaultPort: number;
  allow: readonly Cidr[];
  runtimeApi?: string | undefined;
}): AddressPolicy {
  const isRuntimeApi = runtimeApiTest(rules.runtimeApi);

  const refusal = (ip: Ip, port: number): AddressRefusal | undefined => {
    if (isRuntimeApi(ip, port)) return 'forbidden';
    // The common case first: nothing that is never dialled is public unicast.
    if (isPublicUnicast(ip)) return undefined;
    if (inAnyCidr(ip, NEVER) || carriesV4(ip)) return 'forbidden';
    return inAnyCidr(ip, rules.allow) ? undefined : 'not-public';
  };

  return {
    parse(raw) {
      const parts = splitAddress(raw);
      if (parts === undefined) return { refused: 'not-an-address' };
      const { ip, port = rules.defaultPort } = parts;
      const refused = refusal(ip, port);
      if (refused !== undefined) return { refused };
      return { address: { ip, port, key: addressKey(ip, port) } as Address };
    },
    permits: (ip, port) => refusal(ip, port) === undefined,
  };
}

/** The same rules, and no peer at our own address: `ip`, if it is known, with our `port`. */
export function withoutSelf(
  policy: AddressPolicy,
  { ip: own, port }: { ip: Ip | undefined; port: number },
): AddressPolicy {
  const isSelf = (ip: Ip, at: number) => at === port && ip === own;
  return {
    parse(raw) {
      const parsed = policy.parse(raw);
      if ('refused' in parsed) return parsed;
      return isSelf(parsed.address.ip, parsed.address.port) ? { refused: 'self' } : parsed;
    },
    permits: (ip, at) => policy.permits(ip, at) && !isSelf(ip, at),
  };
}

/**
 * Recognises the ip and port of Lambda's runtime API, which hands out other invocations' events. Where it listens on
 * loopback, or under a name, every address of this machine counts: it may listen on more than the one it names.
 */
function runtimeApiTest(runtimeApi: string | undefined): (ip: Ip, port: number) => boolean {
  if (runtimeApi === undefined) return () => false;
  const { ip: named, port: wanted = 80 } = splitAddress(runtimeApi) ?? {
    port: Number(/:(\d{1,5})$/.exec(runtimeApi)?.[1] ?? 80),
  };
  const local = named === undefined || isThisMachine(named);
  return (ip, port) => port === wanted && (ip === named || (local && isThisMachine(ip)));
}

/** `ip:port` in the one form in which addresses are compared and hashed. */
export function addressKey(ip: Ip, port: number): string {
  return familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; a port is 1-65535 in plain digits. */
const BRACKETED = /^\[([^\]]*)\](?::([1-9]\d{0,4}))?$/;
const V4_WITH_PORT = /^([^:]*):([1-9]\d{0,4})$/;
/** The longest text form of an address: `[`, the longest IP literal, `]:65535`. */
export const MAX_ADDRESS_LENGTH = MAX_IP_LENGTH + 8;

function splitAddress(raw: unknown): { ip: Ip; port?: number } | undefined {
  if (typeof raw !== 'string' || raw.length > MAX_ADDRESS_LENGTH) return undefined;
  const bracketed = BRACKETED.exec(raw);
  const match = bracketed ?? V4_WITH_PORT.exec(raw);
  const ip = parseIp(match?.[1] ?? raw);
  if (ip === undefined || (bracketed !== null) !== (raw.startsWith('[') && familyOf(ip) === 6))
    return undefined;
  if (match?.[2] === undefined) return { ip };
  const port = Number(match[2]);
  return port <= 65535 ? { ip, port } : undefined;
}
