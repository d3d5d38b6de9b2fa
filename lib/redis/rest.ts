import { RedisUnavailableError } from '../errors.ts';
import { connectionFailure, REDIS_PORT_HINT } from './failure.ts';
import type { Reply } from './redis.ts';
import { refuseUnserved } from './refusal.ts';
import { cutCommand, type Slot, type Transport } from './transport.ts';
import type { RedisTarget } from './url.ts';

/** Of a reply; the largest that we ask for, a page of 2,000 consumers, is under 1 MiB. */
const MAX_REPLY_BYTES = 32 * 1_024 * 1_024;

/**
 * Redis over Upstash's REST API (https://upstash.com/docs/redis/features/restapi).
 *
 * Even a single command goes as a pipeline: it is one billed command either way, and then a command's error stands in
 * its place while everything that is thrown is about the whole request. The reply is asked for as plain JSON: it is a
 * quarter smaller than base64. Sockets are in the pool of Node's fetch: idle ones close by themselves and keep no process
 * alive.
 */
export function createRestTransport(
  { url, where }: Extract<RedisTarget, { kind: 'rest' }>,
  token: string,
): Transport {
  const endpoint = `${url.replace(/\/+$/, '')}/pipeline`;
  // Sent back, it has a replica answer only when it has what we wrote last.
  let syncToken = '';
  return {
    async pipeline(commands, signal) {
      let answered = false;
      try {
        const response = await fetch(endpoint, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'upstash-sync-token': syncToken,
          },
          body: JSON.stringify(commands),
          // A login goes to nobody but the host of the URL.
          redirect: 'manual',
          signal,
        });
        answered = true;
        const body = await readJson(response, where);
        if (!response.ok) throw refusedRequest(response.status, body, { where, token });
        syncToken = response.headers.get('upstash-sync-token') ?? '';
        if (!Array.isArray(body) || body.length !== commands.length) throw notRedis(where);
        const slots = body.map((slot) => toSlot(slot, where));
        refuseUnserved(slots, commands, where);
        return slots;
      } catch (error) {
        if (error instanceof RedisUnavailableError) throw error;
        throw brokenRequest(error, { where, answered, timedOut: signal.aborted });
      }
    },
    async close() {},
  };
}

/** The body as JSON; undefined if it is none. @throws RedisUnavailableError if it is larger than any reply. */
async function readJson(response: Response, where: string): Promise<unknown> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = '';
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_REPLY_BYTES) throw notRedis(where);
    text += decoder.decode(chunk, { stream: true });
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function brokenRequest(
  error: unknown,
  { where, answered, timedOut }: { where: string; answered: boolean; timedOut: boolean },
): RedisUnavailableError {
  if (timedOut) {
    const text = `Redis at ${where} did not answer in time.`;
    return new RedisUnavailableError(text, { mayHaveRun: true, trouble: 'silent' });
  }
  if (error instanceof Error && error.cause instanceof Error && error.cause.message === 'bad port') {
    const text = `The port of Redis at ${where} is one that HTTP clients refuse (https://fetch.spec.whatwg.org/#port-blocking).`;
    return new RedisUnavailableError(text, { mayHaveRun: false, trouble: 'protocol', passing: false });
  }
  const { message, ...failure } = connectionFailure(error, { where });
  // A Redis closes the connection when it is spoken to in HTTP.
  const hint = failure.trouble === 'broken' && !answered && /:\d+$/.test(where) ? ` ${REDIS_PORT_HINT}` : '';
  return new RedisUnavailableError(message + hint, failure);
}

/** Enough for every text of Upstash's; what a stranger's server sends instead is not worth more. */
const MAX_REASON_LENGTH = 200;

/** What a status other than 2xx means. Redis's own words are in the body, a gateway's page is not shown. */
function refusedRequest(
  status: number,
  body: unknown,
  { where, token }: { where: string; token: string },
): RedisUnavailableError {
  const said = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  const words = typeof said === 'string' ? cutCommand(said).replaceAll(token, '***') : '';
  const text = words.slice(0, MAX_REASON_LENGTH).replace(/\.$/, '');
  const refused = (advice: string, options: ConstructorParameters<typeof RedisUnavailableError>[1]) =>
    new RedisUnavailableError(
      `Redis at ${where} refused the request (HTTP ${status}${text && `: ${text}`}). ${advice}`,
      options,
    );

  if (/max (daily )?requests? (size|limit)/i.test(text)) {
    const advice = 'It is more than its plan allows: see its console.';
    return refused(advice, { mayHaveRun: false, trouble: 'busy', passing: false });
  }
  if (status === 401 || status === 403 || /^(WRONGPASS|NOAUTH|NOPERM|Unauthorized|Forbidden)/i.test(text)) {
    const advice = 'Check REDIS_TOKEN, and whether Redis admits this machine.';
    return refused(advice, { mayHaveRun: false, trouble: 'login', passing: false });
  }
  if (status < 400) {
    const advice = 'It redirects: REDIS_URL must be the address at which Redis itself answers.';
    return refused(advice, { mayHaveRun: false, trouble: 'protocol', passing: false });
  }
  if (status === 404 || status === 405) {
    return refused('REDIS_URL may be no REST URL.', { mayHaveRun: true, trouble: 'protocol' });
  }
  const advice =
    status === 429
      ? 'It limits how many requests it takes.'
      : 'Redis, or a gateway in front of it, is out of order.';
  return refused(advice, { mayHaveRun: true, trouble: 'busy' });
}

function notRedis(where: string): RedisUnavailableError {
  return new RedisUnavailableError(
    `What answers at ${where} does not answer like Redis over REST: a gateway's page, or REDIS_URL is not a REST URL.`,
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
