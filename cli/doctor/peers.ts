import type { AppParts } from '../../lib/app.ts';
import { parsePeerRecord } from '../../lib/peers/registry.ts';
import { parseUuid } from '../../lib/peers/uuid.ts';
import { countOf, isWrongType, listOf, type Pair, pairsOf } from '../../lib/store/replies.ts';
import { plural, tallyText, thousands, totalOf } from '../../report/text/count.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Entries that are looked at: enough to see a mistake that concerns all, and one command however many there are. */
const SAMPLE = 1_000;

/** Whether somebody else is known, and may be called. @throws RedisUnavailableError, RedisReplyError */
export async function checkPeers({ redis, keys, policy, config }: AppParts): Promise<Finding[]> {
  const replies = await redis.send(
    [
      ['HLEN', keys.consumers],
      ['HSCAN', keys.consumers, '0', 'COUNT', SAMPLE],
      ['HLEN', keys.producers],
      ['HSCAN', keys.producers, '0', 'COUNT', SAMPLE],
    ],
    { repeatable: true },
  );
  return (['consumers', 'producers'] as const).flatMap((kind, i) => {
    const [count, page] = [replies[2 * i], replies[2 * i + 1]];
    if (isWrongType(count) || isWrongType(page)) return [];
    const entries = pairsOf(listOf(page)[1]);
    const others = entries.filter(([uuid]) => kind === 'producers' || parseUuid(uuid) !== config.localUuid);
    return [ofKind(kind, countOf(count) - (entries.length - others.length), others, policy)];
  });
}

const ADD = {
  consumers: 'One is enough, it introduces you to the others: consumers add <uuid> <address>.',
  producers: 'Nobody is told of a change. Your consumer API adds them, or: producers add <uuid> <address>.',
} as const;

function ofKind(
  kind: 'consumers' | 'producers',
  known: number,
  entries: readonly Pair[],
  policy: AppParts['policy'],
): Finding {
  if (known === 0) return warning(kind, 'none is known', ADD[kind]);
  const refused: Record<string, number> = {};
  for (const [uuid, address] of entries) {
    const parsed = parsePeerRecord(uuid, address, policy);
    if ('refused' in parsed) refused[parsed.refused] = (refused[parsed.refused] ?? 0) + 1;
  }
  const looked = entries.length;
  const bad = totalOf(refused);
  const sample = looked < known ? ` of the first ${thousands(looked)}` : '';
  if (bad === 0)
    return ok(kind, `${thousands(known)} known${sample === '' ? '' : `; all${sample} may be called`}`);
  return warning(
    kind,
    `${plural(bad, 'entry', 'entries')}${sample} cannot be called: ${tallyText(refused)}`,
    refused['not-public'] === bad
      ? 'Private addresses: PEER_ALLOW_CIDRS has to name their network, if that is meant.'
      : `${kind} --state unusable shows them.`,
  );
}
