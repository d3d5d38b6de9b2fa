import type { AddressPolicy } from '../../lib/peers/address.ts';
import { familyOf, type Ip } from '../../lib/peers/ip-space.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import {
  type Answer,
  jsonObject,
  type Listen,
  type Request,
  type RunningServer,
  startServer,
} from '../http.ts';
import { createLimiter, lineOf } from '../limiter.ts';
import type { Memory } from '../memory.ts';
import type { KitSettings } from '../settings.ts';
import { createVerifier } from '../signature.ts';

/**
 * The reference consumer API: the program beside the scheduler that answers `POST /sync`. docs/PEERS.md has the rules; the
 * comments here name its paragraphs.
 */
export interface ConsumerApiOptions extends Partial<KitSettings> {
  /** This consumer's own UUID: the scheduler's `LOCAL_UUID`. */
  readonly uuid: Uuid;
  readonly memory: Memory;
  /** Reads addresses and says which may be recorded and called. */
  readonly policy: AddressPolicy;
  /** Calls a peer, for the proof before a known consumer moves. */
  readonly post: PostToPeer;
  readonly listen: Listen;
  /** Where a caller is told that it was seen. In a simulation that is not where its connection comes from. */
  readonly seenAs?: (from: Ip) => string;
  readonly onEvent?: (event: ConsumerApiEvent) => void;
}

/** What the API recorded. */
export interface ConsumerApiEvent {
  readonly kind: 'joined' | 'moved';
  readonly uuid: Uuid;
  readonly address: string;
}

const CALL_BACK_MS = 3_000;
const MOST_NAMED = 50;
const MOST_CONSUMERS = 10_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Starts the API. It answers on its port when this resolves. */
export async function startConsumerApi(options: ConsumerApiOptions): Promise<RunningServer> {
  const { uuid, memory, policy, post, keys = new Map(), seenAs = (from) => from, onEvent } = options;
  const verify = createVerifier(options.addresses ?? []);
  const newcomers = createLimiter({ each: 8, all: 100, windowMs: HOUR_MS });
  const callBacks = createLimiter({ each: 1, all: 60, windowMs: MINUTE_MS });
  const ending = new AbortController();
  const moving = new Set<Promise<void>>();

  const onSync = async (request: Request): Promise<Answer> => {
    const asked = jsonObject(request.body);
    const caller = parseUuid(asked?.uuid);
    // `{}` asks who is here and introduces nobody. A uuid that is none is a mistake of the caller.
    if (asked === undefined || (caller === undefined && asked.uuid !== undefined)) return { status: 400 };

    const known = await memory.look(caller).catch(() => undefined);
    // "While Redis is down": we are here, and the caller introduces itself again in its next round.
    if (known === undefined) return { status: 200, json: { uuid } };

    const record = caller !== undefined && caller !== uuid && policy.permits(request.from, 80);
    if (record) await introduce(caller, request, known).catch(() => undefined);
    return {
      status: 200,
      json: {
        uuid,
        you: { ip: seenAs(request.from), ...(known.answers !== undefined && { answers: known.answers }) },
        consumers: known.introduces
          .filter((other) => other.uuid !== caller && other.uuid !== uuid)
          .slice(0, MOST_NAMED),
      },
    };
  };

  /** "Who calls is a consumer": records it, or proves first what would replace a known address. */
  const introduce = async (caller: Uuid, request: Request, known: Awaited<ReturnType<Memory['look']>>) => {
    const { from } = request;
    const key = keys.get(caller);
    const signed = key !== undefined && verify(request, key) !== undefined;
    if (key !== undefined && !signed) return;

    if (known.address === undefined) {
      if (known.consumers >= MOST_CONSUMERS || !newcomers(lineOf(from))) return;
      if (await memory.add(caller, from)) onEvent?.({ kind: 'joined', uuid: caller, address: from });
    } else if (ipOf(known.address) === from) {
      // "Leave an entry with the same IP as it is": it may have a port. A call from it proves that it lives.
      if (known.answers !== true) await memory.called(caller);
    } else if (signed) {
      await move(caller, known.address, from);
    } else if (callBacks(`${caller} ${from}`)) {
      // In the background: the caller waits for its answer 3 s at most.
      const running = proveMove(caller, known.address, from).finally(() => moving.delete(running));
      moving.add(running);
    }
  };

  /** "Before a different address replaces a known one": the known one counts as long as it answers with that uuid. */
  const proveMove = async (caller: Uuid, known: string, from: Ip): Promise<void> => {
    if (await answersAs(caller, known)) return;
    if (await answersAs(caller, atPortOf(known, from)))
      await move(caller, known, from).catch(() => undefined);
  };

  const move = async (caller: Uuid, known: string, from: Ip): Promise<void> => {
    const address = atPortOf(known, from);
    if (!(await memory.replace(caller, known, address))) return;
    await memory.called(caller);
    onEvent?.({ kind: 'moved', uuid: caller, address });
  };

  /** `POST /sync` with `{}` to the address: whether the answer names the uuid. */
  const answersAs = async (expected: Uuid, at: string): Promise<boolean> => {
    const parsed = policy.parse(at);
    if ('refused' in parsed) return false;
    const outcome = await post({
      address: parsed.address,
      path: '/sync',
      body: '{}',
      timeoutMs: CALL_BACK_MS,
      signal: ending.signal,
    });
    const answered = outcome.kind === 'replied' && outcome.status >= 200 && outcome.status < 300;
    return answered && parseUuid(jsonObject(outcome.body)?.uuid) === expected;
  };

  const ipOf = (address: string): Ip | undefined => {
    const parsed = policy.parse(address);
    return 'address' in parsed ? parsed.address.ip : undefined;
  };

  const server = await startServer({
    listen: options.listen,
    proxies: options.proxies ?? [],
    handle: async (request) => {
      if (request.path !== '/sync') return { status: 404 };
      return request.method === 'POST' ? onSync(request) : { status: 405 };
    },
  });
  return {
    port: server.port,
    async stop() {
      ending.abort();
      await server.stop();
      await Promise.all(moving);
    },
  };
}

/** The new IP, with the port that the known address names, if it names one. */
function atPortOf(known: string, ip: Ip): string {
  const port = /^(?:\[.*\]|[^:]*):(\d+)$/.exec(known)?.[1];
  if (port === undefined) return ip;
  return familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}
