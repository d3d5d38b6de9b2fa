import type { RedisReplyError } from '../../lib/errors.ts';
import type { Command, Redis, Reply } from '../../lib/redis/redis.ts';
import { defineScript } from '../../lib/redis/script.ts';

/** A mistake planted into a script: in the one called `script`, `from` becomes `to`. */
export interface Mistake {
  readonly script: string;
  readonly from: string | RegExp;
  readonly to: string;
}

/** A Redis whose scripts carry planted mistakes. @throws Error if a script has no such text any more. */
export function withMistakes(redis: Redis, mistakes: readonly Mistake[]): Redis {
  return tamper(redis, (name, lua) =>
    mistakes
      .filter(({ script }) => script === name)
      .reduce((text, { from, to }) => {
        const changed = text.replace(from, to);
        if (changed === text)
          throw new Error(`The script ${name} has no text to plant a mistake in: ${from}`);
        return changed;
      }, lua),
  );
}

/** The next script dies after `writes` writes, as at an out-of-memory error or a kill: what it wrote stays. */
export function dyingAfter(redis: Redis, writes: number): Redis {
  return tamper(redis, (_name, lua) => `${mortal(writes)}\n${lua}`);
}

/** What a script reads with. Any other command of it counts as a write. */
const READS = [
  'TYPE',
  'GET',
  'EXISTS',
  'HGET',
  'HMGET',
  'HGETALL',
  'HKEYS',
  'HVALS',
  'HLEN',
  'HSCAN',
  'ZSCORE',
]
  .concat(['ZCARD', 'ZMSCORE', 'XREVRANGE', 'ZCOUNT', 'ZRANGE', 'ZRANGEBYSCORE', 'PTTL', 'TIME'])
  .map((name) => `${name}=true`);

const mortal = (writes: number) => `
local immortal, left, reads = redis, ${writes}, {${READS.join(',')}}
local function dying(run)
  return function(name, ...)
    if not reads[string.upper(name)] then
      if left == 0 then error('the script died') end
      left = left - 1
    end
    return run(name, ...)
  end
end
local redis = setmetatable({ call = dying(immortal.call), pcall = dying(immortal.pcall) }, { __index = immortal })`;

function tamper(redis: Redis, change: (name: string, lua: string) => string): Redis {
  return {
    send: (requests, options) =>
      redis.send(
        requests.map((request) =>
          'script' in request
            ? {
                ...request,
                script: defineScript(request.script.name, change(request.script.name, request.script.lua)),
              }
            : request,
        ),
        options,
      ),
    close: () => redis.close(),
  };
}

/** A Redis whose reply to a plain command, known by its words, is what `change` makes of the true one. */
export function withReplies(
  redis: Redis,
  change: (words: Command, reply: Reply | RedisReplyError) => Reply | RedisReplyError,
): Redis {
  return {
    async send(requests, options) {
      const replies = await redis.send(requests, options);
      return replies.map((reply, i) => {
        const request = requests[i];
        return request === undefined || 'script' in request ? reply : change(request, reply);
      });
    },
    close: () => redis.close(),
  };
}
