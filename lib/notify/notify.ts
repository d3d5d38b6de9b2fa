import type { Config } from '../config.ts';
import type { Host, Invocation, Log } from '../host.ts';
import type { Epoch } from '../ip/register.ts';
import type { AddressPolicy } from '../peers/address.ts';
import type { PostToPeer } from '../peers/post.ts';
import { createRedisClock } from '../redis/clock.ts';
import type { Redis } from '../redis/redis.ts';
import { identityCommand, verifyIdentity } from '../store/identity.ts';
import type { Keys } from '../store/keys.ts';
import { openRegisterStore } from '../store/register.ts';
import { type DrainEnd, drain } from './drain.ts';
import { parseNotifyEvent } from './event.ts';
import type { Counts } from './tally.ts';

export interface NotifyParts {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly policy: AddressPolicy;
  readonly post: PostToPeer;
  readonly host: Host;
  readonly log: Log;
}

/** What a run did. A type and not an interface, so that it is a plain JSON record. */
export type NotifySummary = Counts & {
  /** Why it ended. */
  readonly outcome: Exclude<DrainEnd, 'failed'>;
  /** What became of the operator's word, if the event was one. */
  readonly word?: 'committed' | 'repeated';
  /** The change that was delivered. */
  readonly epoch?: Epoch;
};

/**
 * Tells producers what is due to them; after it has committed the operator's word, if the event is one. It counts once
 * per request id, or per `id` of the event. One drain runs at a time: a run that finds another commits its word and ends.
 *
 * @throws EventError for an event that matches no schema, IdentityError for another consumer's Redis,
 * RedisUnavailableError and RedisReplyError where Redis failed the run. Then what had been begun is settled as far as that was
 * possible; running it again, with the same event, completes the work.
 */
export async function runProducerNotify(
  event: unknown,
  invocation: Invocation,
  parts: NotifyParts,
): Promise<NotifySummary> {
  const { config, redis, keys, host, log } = parts;
  const command = parseNotifyEvent(event, config.ip);
  const { signal, requestId } = invocation;
  const clock = createRedisClock(host);
  const read = clock.startReading();
  const [time, identity] = await redis.send([['TIME'], identityCommand(keys)], { repeatable: true, signal });
  read(time);
  await verifyIdentity(identity, { redis, keys, localUuid: config.localUuid, signal });

  let word: NotifySummary['word'];
  if (command.kind === 'word') {
    const { ip, id = requestId } = command;
    const committed = await openRegisterStore(parts, { signal, clock }).commitOperatorsWord({ ip, id });
    word = committed.kind;
    log.info("The operator's word was taken", { ip, word, epoch: committed.epoch });
  }

  const { end, epoch, counts, failure } = await drain({ ...parts, clock, invocation });
  const said = { ...(word !== undefined && { word }), ...(epoch !== undefined && { epoch }), ...counts };
  if (end === 'failed') {
    log.warn('Redis failed the delivery; what was in flight has been settled as far as possible', said);
    throw failure;
  }
  const summary: NotifySummary = { outcome: end, ...said };
  const { level, message } = REPORTS[end];
  log[level](message, summary);
  return summary;
}

const REPORTS: Readonly<Record<NotifySummary['outcome'], { level: 'info' | 'warn'; message: string }>> = {
  idle: { level: 'info', message: 'Nothing is due any more' },
  taken: { level: 'info', message: 'Another run is delivering' },
  'out-of-time': { level: 'info', message: 'The time was used up; the next run goes on' },
  'no-address': { level: 'warn', message: 'Deliveries wait: the register has no current IP yet' },
  'slow-redis': { level: 'warn', message: 'Deliveries wait: Redis takes over 2 s to answer' },
};
