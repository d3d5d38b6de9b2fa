import type { AddressPolicy } from '../../lib/peers/address.ts';
import { parseIp } from '../../lib/peers/ip-space.ts';
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
import type { KitSettings } from '../settings.ts';
import { createVerifier } from '../signature.ts';
import type { Book, Held } from './book.ts';

/**
 * The reference producer: the program that consumers tell their new address, by `POST /ip`. docs/PEERS.md has the rules; the
 * comments here name its paragraphs.
 */
export interface ProducerOptions extends Partial<KitSettings> {
  /** Where the addresses of consumers are kept. */
  readonly book: Book;
  /** Says which addresses may be recorded. */
  readonly policy: AddressPolicy;
  readonly listen: Listen;
  readonly onEvent?: (event: ProducerEvent) => void;
}

/** A call that this producer could read, and how it was answered. */
export interface ProducerEvent {
  readonly uuid: Uuid;
  readonly ip: string;
  readonly status: number;
}

const FIVE_MINUTES_MS = 300_000;
const HOUR_MS = 3_600_000;
const MOST_CONSUMERS = 10_000;

/** Starts the producer. It answers on its port when this resolves. */
export async function startProducer(options: ProducerOptions): Promise<RunningServer> {
  const { book, policy, keys = new Map(), onEvent } = options;
  const verify = createVerifier(options.addresses ?? []);
  const newcomers = createLimiter({ each: 8, all: 1_000, windowMs: HOUR_MS });

  const onIp = async (request: Request): Promise<Answer> => {
    const asked = jsonObject(request.body);
    const uuid = parseUuid(asked?.uuid);
    const ip = parseIp(asked?.ip);
    if (uuid === undefined || ip === undefined || !policy.permits(ip, 80)) return { status: 400 };
    const answer = await hear(uuid, ip, request);
    onEvent?.({ uuid, ip, status: answer.status });
    return answer;
  };

  const hear = async (uuid: Uuid, ip: string, request: Request): Promise<Answer> => {
    const key = keys.get(uuid);
    const signedEpoch = key === undefined ? undefined : verify(request, key);
    if (key !== undefined && signedEpoch === undefined) return { status: 401 };

    const held = book.get(uuid);
    if (held === undefined && (book.size >= MOST_CONSUMERS || !newcomers(lineOf(request.from)))) {
      return { status: 429, retryAfterS: HOUR_MS / 1_000 };
    }
    const epoch = signedEpoch ?? headerEpoch(request);
    // "A lower epoch": an older call that arrives late. It is answered like any other, so that it is not sent again.
    if (held !== undefined && epoch !== undefined && epoch < held.epoch) return told(held);

    // "Which epoch to believe": an epoch from far ahead, unsigned, would have us ignore every true change after it.
    const believed =
      signedEpoch !== undefined || (epoch !== undefined && epoch <= Date.now() + FIVE_MINUTES_MS);
    const next = { ip, epoch: believed && epoch !== undefined ? epoch : (held?.epoch ?? 0) };
    try {
      await book.set(uuid, next);
    } catch {
      // "2xx means that it is kept": what could not be written is sent again.
      return { status: 503, retryAfterS: 60 };
    }
    return told(next);
  };

  return startServer({
    listen: options.listen,
    proxies: options.proxies ?? [],
    handle: async (request) => {
      if (request.path !== '/ip') return { status: 404 };
      return request.method === 'POST' ? onIp(request) : { status: 405 };
    },
  });
}

/** The optional reply: what this producer holds now. `p2p verify` reads it. */
function told({ ip, epoch }: Held): Answer {
  return { status: 200, json: { ip, epoch } };
}

function headerEpoch({ headers }: Request): number | undefined {
  const text = String(headers['x-ip-epoch'] ?? '');
  return /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}
