import { type Cidr, cidr, familyOf, type Ip, inCidr, isPublicUnicast, parseIp } from './ip-space.ts';

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
export type AddressRefusal = 'not-an-address' | 'not-public' | 'forbidden';

export interface AddressPolicy {
  /** Reads what Redis, a reply or an operator gave. Pure; never throws. */
  parse(raw: unknown): { address: Address } | { refused: AddressRefusal };
  /** Whether a socket may be connected to this IP and port; asked again right before dialling and once connected. */
  permits(ip: Ip, port: number): boolean;
}

/**
 * Instance metadata and the like: never dialled, whatever `PEER_ALLOW_CIDRS` says. In the cloud what answers there
 * gives away the function's credentials.
 */
const NEVER: readonly Cidr[] = [cidr('169.254.0.0/16'), cidr('fd00:ec2::/32')];

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
  const runtimeApi = splitAddress(rules.runtimeApi);

  const refusal = (ip: Ip, port: number): AddressRefusal | undefined => {
    if (NEVER.some((range) => inCidr(ip, range))) return 'forbidden';
    if (runtimeApi !== undefined && runtimeApi.ip === ip && runtimeApi.port === port) return 'forbidden';
    if (isPublicUnicast(ip) || rules.allow.some((range) => inCidr(ip, range))) return undefined;
    return 'not-public';
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

/** `ip:port` in the one form in which addresses are compared and hashed. */
export function addressKey(ip: Ip, port: number): string {
  return familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; a port is 1-65535 in plain digits. */
const BRACKETED = /^\[([^\]]*)\](?::([1-9]\d{0,4}))?$/;
const V4_WITH_PORT = /^([^:]*):([1-9]\d{0,4})$/;
/** `[`, the longest IP literal, `]:65535`. */
const MAX_ADDRESS_LENGTH = 53;

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
