import type { Ip } from '../peers/ip-space.ts';

/** What one source said. `unknown` is a failure to answer, never a change. */
export type Vote = { readonly source: string; readonly operator: string } & (
  | { readonly kind: 'ip'; readonly ip: Ip }
  | { readonly kind: 'unknown'; readonly error: VoteError }
);

export type VoteError =
  | 'timeout'
  | 'network' // no connection, no such name, or a connection that broke
  | 'tls' // no trusted connection: a wrong certificate, or somebody in between
  | 'status' // another status than 200, redirects included
  | 'oversized'
  | 'malformed' // what answered does not speak HTTP
  | 'not-an-ip'
  | 'not-public'
  | 'wrong-family'
  | 'ambiguous' // a DNS name with several addresses
  | 'aborted'; // the invocation ended

/** What a source said, in its own words and not yet judged, or why it said nothing. */
export type Answer = { readonly said: string } | { readonly error: VoteError };

/** One place that tells our public IP. `ask` never throws and ends within 3 s. */
export interface Source {
  readonly id: string;
  readonly operator: string;
  readonly kind: 'http' | 'dns' | 'static';
  ask(signal?: AbortSignal): Promise<Vote>;
}
