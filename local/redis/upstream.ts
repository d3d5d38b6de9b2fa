import { Redis, ReplyError } from 'ioredis';
import type { FaceCommand } from './rest-command.ts';

/** Strings are bytes, integers are their digits, an error may stand inside a transaction's array. */
export type UpstreamReply = Buffer | string | null | Error | readonly UpstreamReply[];

export type UpstreamSlot = { readonly reply: UpstreamReply } | { readonly error: string };

/** The Redis behind cannot be reached, or did not answer in time. */
export class UpstreamDownError extends Error {
  override readonly name = 'UpstreamDownError';
}

export interface Upstream {
  /** @throws UpstreamDownError unless every command was answered. */
  pipeline(commands: readonly FaceCommand[]): Promise<UpstreamSlot[]>;
  /** As one MULTI … EXEC; an error if the transaction was discarded. */
  transaction(commands: readonly FaceCommand[]): Promise<UpstreamSlot[] | { readonly error: string }>;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 15_000;

/** The connection from the REST face to the Redis behind. It connects again in the background when it breaks. */
export function createUpstream(url: string): Upstream {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * times, 500),
    disableClientInfo: true,
    stringNumbers: true,
  });
  // Each request reports its own failure.
  redis.on('error', () => {});

  const exchange = async (commands: readonly FaceCommand[]): Promise<UpstreamSlot[]> => {
    const pipeline = redis.pipeline();
    for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args);
    const results = (await pipeline.exec()) ?? [];
    return results.map(([error, value]) => {
      if (error === null) return { reply: value as UpstreamReply };
      if (error instanceof ReplyError) return { error: error.message };
      throw new UpstreamDownError('ERR the Redis behind the REST face does not answer');
    });
  };

  return {
    pipeline: exchange,
    async transaction(commands) {
      const slots = await exchange([['MULTI'], ...commands, ['EXEC']]);
      const executed = slots.at(-1);
      if (executed === undefined || 'error' in executed) return executed ?? { error: 'EXECABORT no reply' };
      if (!Array.isArray(executed.reply)) return { error: 'EXECABORT the transaction was discarded' };
      return executed.reply.map((reply) =>
        reply instanceof Error ? { error: reply.message } : { reply: reply as UpstreamReply },
      );
    },
    close: () => redis.disconnect(),
  };
}
