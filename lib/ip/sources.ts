import { type Cidr, type Ip, type IpFamily, parseOwnIp } from '../peers/ip-space.ts';
import { askDns } from './ask-dns.ts';
import { askHttp } from './ask-http.ts';
import type { SourceSpec } from './source-spec.ts';
import type { Source, SourceReply, VoteError } from './vote.ts';

/** The longest that one question may take, name resolution included. */
export const SOURCE_TIMEOUT_MS = 3_000;

export interface SourceOptions {
  /** The family of the host's address: names are resolved and dialled in it, and an answer of the other is unknown. */
  readonly family: IpFamily;
  /** Non-public ranges that may be our own address. */
  readonly allow: readonly Cidr[];
  /** This software's version, for the user agent. */
  readonly version: string;
  /** Absolute deadline of one question. Default `SOURCE_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
  /** Certificates (PEM) to trust in place of Node's own, which `NODE_EXTRA_CA_CERTS` extends. */
  readonly ca?: string | undefined;
  /** The local address from which echo services of its family are dialled. Default: the system's choice. */
  readonly bindAddress?: Ip | undefined;
  /** Name servers for `dns:` sources, as `Resolver.setServers` takes them. Default: the system's. */
  readonly dnsServers?: readonly string[] | undefined;
}

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
 * const sources = createSources(config.ip.sources, { family: 4, allow: [], version: '1.0.0' });
 * const vote = await sources[0].ask(signal); // { source: 'ident.me', operator: 'ident.me', kind: 'ip', ip: '8.8.8.8' }
 */
export function createSources(specs: readonly SourceSpec[], options: SourceOptions): Source[] {
  return specs.map((spec) => {
    const answer = answerOf(spec, options);
    const { id, operator, kind } = spec;
    return {
      id,
      operator,
      kind,
      ask: async (signal) => ({ source: id, operator, ...voteOf(await answer(signal), options) }),
    };
  });
}

function answerOf(spec: SourceSpec, options: SourceOptions): (signal?: AbortSignal) => Promise<SourceReply> {
  switch (spec.kind) {
    case 'http':
      return (signal) => askHttp(spec.url, { timeoutMs: SOURCE_TIMEOUT_MS, ...options }, signal);
    case 'dns':
      return (signal) => askDns(spec.hostname, { timeoutMs: SOURCE_TIMEOUT_MS, ...options }, signal);
    case 'static':
      return async () => ({ said: spec.ip });
  }
}

function voteOf(
  answer: SourceReply,
  rules: SourceOptions,
): { kind: 'ip'; ip: Ip } | { kind: 'unknown'; error: VoteError } {
  if ('error' in answer) return { kind: 'unknown', error: answer.error };
  const parsed = parseOwnIp(answer.said, rules);
  return 'ip' in parsed ? { kind: 'ip', ip: parsed.ip } : { kind: 'unknown', error: parsed.refused };
}
