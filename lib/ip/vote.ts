import type { Ip } from '../peers/ip-space.ts';

/** What one source said. `unknown` is a failure to answer, never a change. */
export type Vote = { readonly source: string; readonly operator: string } & (
  | { readonly kind: 'ip'; readonly ip: Ip }
  | { readonly kind: 'unknown'; readonly error: VoteError }
);

export type VoteError =
  | 'timeout'
  | 'network'
  | 'status'
  | 'oversized'
  | 'not-an-ip'
  | 'not-public'
  | 'wrong-family'
  | 'ambiguous'
  | 'tls';

/** One place that tells our public IP. `ask` never throws and ends within 3 s. */
export interface Source {
  readonly id: string;
  readonly operator: string;
  readonly kind: 'http' | 'dns' | 'static';
  ask(signal?: AbortSignal): Promise<Vote>;
}
