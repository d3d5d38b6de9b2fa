import { Resolver } from 'node:dns/promises';
import { isIP, type OnReadOpts, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { exchange } from '../http/exchange.ts';
import { onAbort } from '../http/on-abort.ts';
import type { Failure } from '../http/outcome.ts';
import { type Cidr, type Ip, type IpFamily, localAddressFor, parseOwnIp } from '../peers/ip-space.ts';
import { USER_AGENT } from '../version.ts';
import type { SourceSpec } from './source-spec.ts';

/** One place that tells our public IP. `ask` never throws and ends within 3 s. */
export interface Source extends Pick<SourceSpec, 'id' | 'operator' | 'kind'> {
  /** Whether that it answers shows that our network works: an echo service on another machine. */
  readonly witness: boolean;
  ask(signal?: AbortSignal): Promise<Vote>;
}

/** What one source said. `unknown` is a failure to answer, never a change. */
export type Vote = { readonly source: string; readonly operator: string } & (
  | { readonly kind: 'ip'; readonly ip: Ip }
  | { readonly kind: 'unknown'; readonly error: VoteError }
);

/** Why a source did not tell an address that we believe. */
export type VoteError =
  | Failure
  | 'status' // another status than 200
  | 'not-an-ip'
  | 'not-public'
  | 'wrong-family'
  | 'ambiguous'; // a DNS name with several addresses

export interface SourceOptions {
  /** The family of the host's address: names are resolved and dialled in it, and an answer of the other is unknown. */
  readonly family: IpFamily;
  /** Non-public ranges that may be our own address. */
  readonly allow: readonly Cidr[];
  /** Absolute deadline of one question, name resolution included. Default 3,000. */
  readonly timeoutMs?: number;
  /** Certificates (PEM) to trust in place of Node's own, which `NODE_EXTRA_CA_CERTS` extends. */
  readonly ca?: string | undefined;
  /** The local address from which echo services of its family are dialled. Default: the system's choice. */
  readonly bindAddress?: Ip | undefined;
  /** Name servers for `dns:` sources, as `Resolver.setServers` takes them. Default: the system's. */
  readonly dnsServers?: readonly string[] | undefined;
}

const SOURCE_TIMEOUT_MS = 3_000;
/** An address with a line end has 47 bytes at most. A longer page is not an echo of an address. */
const MAX_ANSWER_BYTES = 1_024;
/**
 * Of several addresses of one name the next is tried after this time. Node's default, 250 ms, is less than a round trip
 * around the world; the deadline leaves room for three.
 */
const NEXT_ADDRESS_MS = 900;
/** A name server is asked a second time, so that a lost datagram does not cost the answer. */
const DNS_TRIES = 2;

/**
 * Makes the sources that can be asked for our public IP. Only a public address of the wanted family is an answer. Every
 * failure is a vote `unknown`.
 *
 * - `https:` a GET on a connection of its own, no redirects, certificate and host name verified (also where
 *   `NODE_TLS_REJECT_UNAUTHORIZED=0`). Status 200, and the whole body, but for white space around it, is the address.
 * - `dns:` the one address in its A (or AAAA) records. The name server is asked, not the system's lookup, because a host
 *   often has its own name in its hosts file, with a private address. What the name server has cached counts.
 * - `static:` the address itself.
 *
 * @example
 * const sources = createSources(config.ip.sources, { family: 4, allow: [] });
 * const vote = await sources[0].ask(signal); // { source: 'ident.me', operator: 'ident.me', kind: 'ip', ip: '8.8.8.8' }
 */
export function createSources(specs: readonly SourceSpec[], options: SourceOptions): Source[] {
  return specs.map((spec) => {
    const { id, operator, kind } = spec;
    const ask = async (signal?: AbortSignal): Promise<Vote> => {
      const read = readReply(await question(spec, options, signal), options);
      return { source: id, operator, ...read };
    };
    return { id, operator, kind, witness: spec.kind === 'http' && !spec.loopback, ask };
  });
}

/** The text that a source answered, not yet read as an address, or why there is none. */
type SourceReply = { readonly said: string } | { readonly error: VoteError };

function readReply(reply: SourceReply, rules: SourceOptions) {
  if ('error' in reply) return { kind: 'unknown', error: reply.error } as const;
  const parsed = parseOwnIp(reply.said, rules);
  if ('refused' in parsed) return { kind: 'unknown', error: parsed.refused } as const;
  return { kind: 'ip', ip: parsed.ip } as const;
}

async function question(
  spec: SourceSpec,
  options: SourceOptions,
  signal?: AbortSignal,
): Promise<SourceReply> {
  switch (spec.kind) {
    case 'http':
      return askHttp(spec.url, options, signal);
    case 'dns':
      return askDns(spec.hostname, options, signal);
    case 'static':
      return { said: spec.ip };
  }
}

/** Asks an echo service once, over a connection of its own. A host that is an IP literal is dialled as it is. */
async function askHttp(url: URL, options: SourceOptions, signal?: AbortSignal): Promise<SourceReply> {
  const outcome = await exchange({
    method: 'GET',
    path: `${url.pathname}${url.search}`,
    headers: [
      `host: ${url.host}`,
      'accept: text/plain',
      'accept-encoding: identity',
      `user-agent: ${USER_AGENT}`,
      'connection: close',
    ],
    connect: (onread) => connectTo(url, options, onread),
    timeoutMs: options.timeoutMs ?? SOURCE_TIMEOUT_MS,
    maxBodyBytes: MAX_ANSWER_BYTES,
    signal,
  });
  if (outcome.kind === 'failed') return { error: outcome.error };
  if (outcome.status !== 200) return { error: 'status' };
  return { said: readEcho(outcome.body) };
}

function connectTo(url: URL, { family, ca, bindAddress }: SourceOptions, onread: OnReadOpts): Socket {
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const target = {
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    family,
    localAddress: localAddressFor(family, bindAddress),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    onread,
  };
  if (!secure) return tcpConnect(target);
  return tlsConnect({
    ...target,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== undefined && { ca }),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
  });
}

/**
 * What an echo service says: the whole body, without white space and line ends around it. `String.trim` would remove
 * a no-break space and a byte order mark as well.
 */
export function readEcho(body: Buffer): string {
  const text = body.toString('latin1');
  return /^[\t\n\r ]*([^\t\n\r ]*)[\t\n\r ]*$/.exec(text)?.[1] ?? text;
}

/**
 * Asks the name servers for the one address that a name has in this family; several records of it are one.
 *
 * The resolver is new each time: it reads the system's name servers again, which change with the network, and it has no
 * cache of its own.
 */
async function askDns(
  hostname: string,
  { family, timeoutMs = SOURCE_TIMEOUT_MS, dnsServers }: SourceOptions,
  signal?: AbortSignal,
): Promise<SourceReply> {
  if (signal?.aborted) return { error: 'aborted' };
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / DNS_TRIES), tries: DNS_TRIES });
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  const leave = signal === undefined ? undefined : onAbort(signal, () => resolver.cancel());
  try {
    if (dnsServers !== undefined) resolver.setServers(dnsServers);
    const addresses = await (family === 4 ? resolver.resolve4(hostname) : resolver.resolve6(hostname));
    const [said, ...others] = new Set(addresses);
    if (said === undefined) return { error: 'not-found' };
    return others.length > 0 ? { error: 'ambiguous' } : { said };
  } catch (error) {
    if (signal?.aborted) return { error: 'aborted' };
    return { error: isTimeout(error) ? 'timeout' : 'not-found' };
  } finally {
    clearTimeout(timer);
    leave?.();
  }
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'ETIMEOUT' || error.code === 'ECANCELLED')
  );
}
