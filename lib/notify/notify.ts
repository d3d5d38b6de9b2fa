import type { Config } from '../config.ts';
import type { Host, Invocation, Log } from '../host.ts';
import type { Epoch } from '../ip/register.ts';
import type { AddressPolicy } from '../peers/address.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { Redis } from '../redis/redis.ts';
import { createDeliveryStore } from '../store/deliveries.ts';
import { openClock } from '../store/identity.ts';
import type { Keys } from '../store/keys.ts';
import { commitOperatorsWord } from '../store/operators-word.ts';
import type { Counts } from './counts.ts';
import { type DrainEnd, type DrainReport, drain } from './drain.ts';
import { parseNotifyEvent } from './event.ts';

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
export type NotifySummary = Readonly<Counts> & {
  /** Why it ended. */
  readonly outcome: Exclude<DrainEnd, 'failed'>;
  /** What became of the operator's word, if the event was one. */
  readonly word?: 'committed' | 'repeated';
  /** The change that was delivered. */
  readonly epoch?: Epoch;
  /** From the commit of the current address to the last acknowledgement of it, ms; if this run got one. */
  readonly toldAfterMs?: number;
};

/**
 * Tells producers what is due to them. If the event is the operator's word, it is committed first; it counts once per
 * request id, or per `id` of the event. One drain runs at a time: a run that finds another one commits its word and ends.
 *
 * @throws EventError for an event that matches no schema, IdentityError for another consumer's Redis,
 * RedisUnavailableError and RedisReplyError where Redis failed the run. What had begun was settled then, as far as that
 * was possible. Running it again with the same event completes the work.
 */
export async function runProducerNotify(
  event: unknown,
  invocation: Invocation,
  parts: NotifyParts,
): Promise<NotifySummary> {
  const { config, log } = parts;
  const command = parseNotifyEvent(event, config.ip);
  const { signal, requestId } = invocation;
  const clock = await openClock({ ...parts, localUuid: config.localUuid, signal });

  let word: NotifySummary['word'];
  if (command.kind === 'word') {
    const { ip, id = requestId } = command;
    const committed = await commitOperatorsWord({ ip, id }, { ...parts, clock, signal });
    word = committed.kind;
    log.info(
      word === 'committed'
        ? "The operator's word was committed"
        : "The operator's word had been committed before",
      { ip, epoch: committed.epoch },
    );
  } else if (command.changed !== undefined) log.debug('A check has committed a change', command.changed);

  const store = createDeliveryStore({ ...parts, clock, notifyTimeoutMs: config.notify.timeoutMs });
  const report = await drain({ ...parts, store, invocation });
  const { end, epoch, counts, toldAfterMs } = report;
  const said = {
    ...(word !== undefined && { word }),
    ...(epoch !== undefined && { epoch }),
    ...counts,
    ...(toldAfterMs !== undefined && counts.acknowledged > 0 && { toldAfterMs }),
  };
  if (end === 'failed') {
    log.warn('Redis failed during the delivery. What was in flight was settled as far as possible', said);
    throw report.failure;
  }
  const summary: NotifySummary = { outcome: end, ...said };
  log[end === 'idle' || end === 'taken' || end === 'out-of-time' ? 'info' : 'warn'](inWords(report), summary);
  return summary;
}

/** The run in one line, like `Told 5 producers 203.0.113.9 in 9 ms; nothing is due any more`. */
function inWords({ end, ip, counts, tookMs }: DrainReport): string {
  const failures = Object.values(counts.failed).reduce((sum, count) => sum + count, 0);
  const said = [
    ...(counts.acknowledged > 0
      ? [`Told ${producers(counts.acknowledged)} ${ip} in ${number(Math.ceil(tookMs))} ms`]
      : []),
    ...(failures > 0 ? [`${number(failures)} failed and will be tried again`] : []),
    ...(ENDS[end] === '' ? [] : [ENDS[end]]),
  ];
  return said.length === 0 ? 'Nothing was due' : said.join('; ');
}

const ENDS: Readonly<Record<DrainEnd, string>> = {
  idle: '',
  taken: 'Another run is delivering',
  'out-of-time': 'The time was used up, the next run goes on',
  'no-address': 'Deliveries wait, because the register has no current address yet',
  'slow-redis': 'Deliveries wait, because Redis takes over 2 s to answer',
  local: 'This machine could not open a single connection, the next run goes on',
  failed: 'Redis failed',
};

function producers(count: number): string {
  return count === 1 ? '1 producer' : `${number(count)} producers`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
