import { Redis as UpstashRedis } from '@upstash/redis';
import { RedisUnavailableError } from '../errors.ts';
import { connectionFailure, REDIS_PORT_HINT, refuseUnserved } from './failure.ts';
import type { Reply } from './redis.ts';
import { cutCommand, type Slot, type Transport } from './transport.ts';
import type { RedisTarget } from './url.ts';

/** Gives the client's own requester, which answers a pipeline as it came: nothing is deserialised. */
class RawUpstash extends UpstashRedis {
  pipelineRaw(commands: unknown): Promise<unknown> {
    return this.client.request({ path: ['pipeline'], body: commands });
  }
}

/**
 * Redis over Upstash's REST API (https://upstash.com/docs/redis/features/restapi).
 *
 * Even a single command goes as a pipeline: it is one billed command either way, and then a command's error stands in
 * its place while everything that is thrown is about the whole request. The reply is asked for as plain JSON: it is a
 * quarter smaller than base64, and the client's base64 decoder drops a leading byte order mark.
 */
export function createRestTransport(
  { url, where }: Extract<RedisTarget, { kind: 'rest' }>,
  token: string,
): Transport {
  // The client takes a signal for each request only as a function, and calls it before `request` first yields.
  let signalOfNext: AbortSignal;
  const client = new RawUpstash({
    url,
    token,
    automaticDeserialization: false,
    responseEncoding: false,
    enableTelemetry: false,
    retry: { retries: 0 },
    signal: () => signalOfNext,
  });

  return {
    async pipeline(commands, signal) {
      signalOfNext = signal;
      let answer: unknown;
      try {
        answer = await client.pipelineRaw(commands);
      } catch (error) {
        throw restError(error, { signal, where, token });
      }
      if (!Array.isArray(answer) || answer.length !== commands.length) throw notRedis(where);
      const slots = answer.map((slot) => toSlot(slot, where));
      refuseUnserved(slots, commands, where);
      return slots;
    },
    // The sockets are in the pool of Node's fetch: idle ones close by themselves and keep no process alive.
    async close() {},
  };
}

/** Refusals of a whole request that no repetition changes. Upstash answers them before it runs a command. */
const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM|Unauthorized|Forbidden)|max (daily )?requests? (size|limit)/i;

/** Enough for every text of Upstash's; what a stranger's server sends instead is not worth more. */
const MAX_REASON_LENGTH = 200;

function restError(
  error: unknown,
  { signal, where, token }: { signal: AbortSignal; where: string; token: string },
): RedisUnavailableError {
  if (signal.aborted) {
    return new RedisUnavailableError(`Redis at ${where} did not answer in time.`, {
      mayHaveRun: true,
      trouble: 'silent',
    });
  }
  if (error instanceof Error && error.name === 'UpstashJSONParseError') return notRedis(where);
  if (!(error instanceof Error) || error.name !== 'UpstashError') {
    const { message, ...failure } = connectionFailure(error, { where });
    // A Redis closes the connection when it is spoken to in HTTP.
    const hint = failure.trouble === 'broken' && /:\d+$/.test(where) ? ` ${REDIS_PORT_HINT}` : '';
    return new RedisUnavailableError(message + hint, failure);
  }
  const text = cutCommand(error.message).replaceAll(token, '***').slice(0, MAX_REASON_LENGTH);
  const refused = REFUSED.test(text);
  const login = /^(WRONGPASS|NOAUTH|NOPERM|Unauthorized|Forbidden)/i.test(text);
  return new RedisUnavailableError(
    `Redis at ${where} refused the request: ${text}.${login ? ' Check REDIS_TOKEN.' : ''}`,
    { mayHaveRun: !refused, trouble: login ? 'login' : 'busy', passing: !refused },
  );
}

function notRedis(where: string): RedisUnavailableError {
  return new RedisUnavailableError(
    `What answers at ${where} does not answer like Redis over REST: a gateway's error page, or REDIS_URL is not a REST URL.`,
    { mayHaveRun: true, trouble: 'protocol' },
  );
}

function toSlot(slot: unknown, where: string): Slot {
  if (typeof slot !== 'object' || slot === null) throw notRedis(where);
  if ('error' in slot && typeof slot.error === 'string') return { error: slot.error };
  if (!('result' in slot)) throw notRedis(where);
  try {
    return { reply: exact(slot.result) };
  } catch {
    return { error: 'ERR the reply holds a number that JSON cannot carry exactly' };
  }
}

/** Redis has no floats: a number with a fraction was a string there. An integer that JSON.parse rounded is refused. */
function exact(value: unknown): Reply {
  if (typeof value === 'string' || value === null) return value;
  if (Array.isArray(value)) return value.map(exact);
  if (typeof value !== 'number' || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new RangeError('not exact');
  }
  return Number.isInteger(value) ? value : String(value);
}
