import type { FaceCommand } from '../../local/redis/rest-command.ts';
import { createUpstream, type UpstreamSlot } from '../../local/redis/upstream.ts';

/** One connection to Redis, until it is closed: then everything that waits for an answer fails at once. */
export interface Connection {
  pipeline(commands: readonly FaceCommand[]): Promise<UpstreamSlot[]>;
  close(): void;
}

export function connect(url: string): Connection {
  const upstream = createUpstream(url);
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => {});
  return {
    pipeline: (commands) => Promise.race([upstream.pipeline(commands), closed.promise]),
    close() {
      upstream.close();
      closed.reject(new Error('The connection to Redis was closed.'));
    },
  };
}
