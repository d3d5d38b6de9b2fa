import * as v from 'valibot';
import type { AppParts } from '../../lib/app.ts';
import { repliesTo } from '../../lib/store/replies.ts';
import type { AlertState } from './decide.ts';

const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(1_000));
const verdict = v.picklist(['ok', 'attention', 'unknown']);
const STATE = v.object({
  told: verdict,
  toldAt: time,
  seen: verdict,
  seenAt: time,
  epoch: time,
  queue: v.pipe(
    v.array(
      v.variant('kind', [
        v.object({
          kind: v.literal('verdict'),
          verdict,
          at: time,
          headline: text,
          reasons: v.pipe(v.array(text), v.maxLength(10)),
        }),
        v.object({ kind: v.literal('address'), from: v.exactOptional(text), to: text, at: time }),
      ]),
    ),
    v.maxLength(50),
  ),
  sent: v.pipe(v.array(time), v.maxLength(50)),
});

const STORED = v.pipe(v.string(), v.parseJson(), STATE);

type Storage = Pick<AppParts, 'redis' | 'keys'>;

/**
 * The state that was kept; undefined where there is none, or none that can be used.
 *
 * @throws RedisUnavailableError, RedisReplyError.
 */
export async function loadState({ redis, keys }: Storage): Promise<AlertState | undefined> {
  const [json] = await repliesTo(redis, [['HGET', keys.alerts, 'state']]);
  return decodeState(json);
}

/** Reads what Redis holds, which may be anything. Never throws. */
export function decodeState(json: unknown): AlertState | undefined {
  const parsed = v.safeParse(STORED, json);
  return parsed.success ? parsed.output : undefined;
}

/**
 * Keeps the state; beside it stand the verdict that was told last and when, for whoever looks at the key.
 *
 * @throws RedisUnavailableError, RedisReplyError.
 */
export async function saveState(state: AlertState, { redis, keys }: Storage): Promise<void> {
  await repliesTo(redis, [
    ['HSET', keys.alerts, 'verdict', state.told, 'at', state.toldAt, 'state', JSON.stringify(state)],
  ]);
}
