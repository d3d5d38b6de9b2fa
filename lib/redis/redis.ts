import type { RedisReplyError } from '../errors.ts';
import type { Script } from './script.ts';

/** A reply as Redis gave it: nothing is deserialised, integers beyond 2^53 are strings. */
export type Reply = string | number | null | readonly Reply[];

/** One command, its name in upper case. */
export type Command = readonly [name: string, ...args: (string | number)[]];

/**
 * A script with its keys (with their prefix) and arguments. Sent by EVAL the first time, by EVALSHA from then on, and
 * once more by EVAL, after everything else in the request, where Redis has lost it since (a restart, SCRIPT FLUSH).
 */
export interface ScriptCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

export interface SendOptions {
  /**
   * Whether everything in this request may be carried out twice. If so it is tried up to four times, on network errors,
   * 429 and 5xx, until the signal aborts or twice the time of one attempt has passed. If not, it is tried again only
   * where it is certain that nothing ran, and a reply that does not arrive means *unknown*
   * (`RedisUnavailableError.mayHaveRun`). Let the first request after a pause be repeatable: a socket that has died
   * in the meantime shows it only then.
   */
  readonly repeatable: boolean;
  /** Aborts the request and its retries. */
  readonly signal?: AbortSignal | undefined;
  /** Time for one attempt. Default 5,000. */
  readonly timeoutMs?: number;
}

/** The one way to Redis. Implemented over `@upstash/redis` for REST and TCP alike. */
export interface Redis {
  /**
   * Sends the commands in order in one round trip and answers one reply each; a command that Redis refused answers a
   * `RedisReplyError` in its place, and the others still run (no transaction).
   *
   * @throws RedisUnavailableError if no complete answer arrived.
   */
  send(
    requests: readonly (Command | ScriptCall)[],
    options: SendOptions,
  ): Promise<(Reply | RedisReplyError)[]>;
  /** Closes sockets. Further sends fail. */
  close(): Promise<void>;
}
