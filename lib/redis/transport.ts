import type { Reply } from './redis.ts';

/** A command as it goes over the wire. */
export type WireCommand = readonly string[];

/** What one command of a pipeline came to: Redis's reply, or the text of its error. */
export type Slot = { readonly reply: Reply } | { readonly error: string };

/** A client certificate and its private key, in PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** One way to carry a pipeline to Redis, without retries. */
export interface Transport {
  /**
   * Carries out the commands in order in one round trip, and ends when the signal aborts.
   *
   * @throws RedisUnavailableError if not every command got an answer, or if Redis says that it does not serve here or now.
   */
  pipeline(commands: readonly WireCommand[], signal: AbortSignal): Promise<Slot[]>;
  close(): Promise<void>;
}

/**
 * Cuts what a client library (`, command was: …`) or Redis itself (`, with args beginning with: …`) appends of the
 * command and its values to an error's text. Texts that scripts and callers match on, NOSCRIPT above all, stay verbatim.
 */
export function cutCommand(text: string): string {
  return text.split(/, command was:|,? with args beginning with:/, 1)[0] ?? '';
}
