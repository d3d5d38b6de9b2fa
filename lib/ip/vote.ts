import type { Failure } from '../http/outcome.ts';
import type { Ip } from '../peers/ip-space.ts';

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

/** Who voted what, as the history keeps it: JSON, source → address or the class of its failure. */
export function votesAsJson(votes: readonly Vote[]): string {
  return JSON.stringify(
    Object.fromEntries(votes.map((vote) => [vote.source, vote.kind === 'ip' ? vote.ip : vote.error])),
  );
}

/** The text that a source answered, not yet read as an address, or why there is none. */
export type SourceReply = { readonly said: string } | { readonly error: VoteError };

/** One place that tells our public IP. `ask` never throws and ends within 3 s. */
export interface Source {
  readonly id: string;
  readonly operator: string;
  readonly kind: 'http' | 'dns' | 'static';
  ask(signal?: AbortSignal): Promise<Vote>;
}
