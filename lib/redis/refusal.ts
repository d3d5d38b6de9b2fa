import { RedisReplyError, type RedisTrouble, RedisUnavailableError } from '../errors.ts';
import { cutCommand, type Slot, type WireCommand } from './transport.ts';

/** What Redis says where it carried out nothing, and what an operator does about it. */
interface Refusal {
  readonly trouble: RedisTrouble;
  /** Whether the same request may get through a moment later. */
  readonly passing: boolean;
  readonly advice: string;
}

const passing = (trouble: RedisTrouble, advice: string): Refusal => ({ trouble, passing: true, advice });
const lasting = (trouble: RedisTrouble, advice: string): Refusal => ({ trouble, passing: false, advice });

/** By the first word of Redis's error. None of these comes from a command, or a script, that has written something. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  LOADING: passing('busy', 'It reads its data from disk and serves when it has finished.'),
  BUSY: passing('busy', 'A script keeps it busy; SCRIPT KILL ends one that wrote nothing.'),
  MAXCLIENTS: passing('busy', 'Close connections of other programs, or raise maxclients.'),
  READONLY: passing(
    'replica',
    'It is a replica: REDIS_URL must name the primary, or a name that follows it.',
  ),
  MASTERDOWN: passing(
    'replica',
    'It is a replica that has lost its primary: REDIS_URL must name the primary, or a name that follows it.',
  ),
  CLUSTERDOWN: passing('cluster', 'Look at CLUSTER INFO there.'),
  TRYAGAIN: passing('cluster', 'The cluster moves the keys to another node.'),
  MOVED: passing(
    'cluster',
    'It is one node of a Redis Cluster and the keys are on another. A cluster of several nodes is not supported: give REDIS_URL a Redis that holds all keys.',
  ),
  ASK: passing('cluster', 'The cluster moves the keys to another node.'),
  CROSSSLOT: lasting(
    'cluster',
    'It is a Redis Cluster: REDIS_PREFIX needs braces, as in {p2p}:, so that all keys are in one slot.',
  ),
  OOM: passing(
    'no-writes',
    'Give it more memory (maxmemory), or find out what fills it: redis-cli --bigkeys.',
  ),
  MISCONF: passing('no-writes', 'It cannot save to its disk; most often that is full. Its log tells more.'),
  NOREPLICAS: passing('no-writes', 'Start its replicas, or lower min-replicas-to-write.'),
  LIMIT: lasting('busy', 'What its plan allows is used up: see its console.'),
  NOAUTH: lasting('login', 'REDIS_URL must carry the password of that Redis.'),
  WRONGPASS: lasting('login', 'Check user and password in REDIS_URL.'),
  DENIED: lasting(
    'login',
    'Set a password on that Redis and in REDIS_URL, or bind it to the interface that is meant to be used.',
  ),
};

/** Commands that change nothing, as far as they share a request with others: their having run does not matter. */
const READS = new Set([
  'TIME',
  'PING',
  'GET',
  'HGET',
  'HMGET',
  'HGETALL',
  'HLEN',
  'HSCAN',
  'ZCOUNT',
  'PTTL',
  'INFO',
]);

/**
 * Has a request fail as a whole where Redis refused one of its commands because it does not serve here or now: the others,
 * TIME above all, may be served in such a state.
 *
 * @throws RedisUnavailableError with Redis's words, the cause and what to do.
 */
export function refuseUnserved(
  slots: readonly Slot[],
  commands: readonly WireCommand[],
  where: string,
): void {
  const refused = slots.find((slot) => 'error' in slot && refusalOf(slot.error) !== undefined);
  if (refused === undefined || !('error' in refused)) return;
  const mayHaveRun = slots.some(
    (slot, index) => !('error' in slot && refusalOf(slot.error)) && !READS.has(commands[index]?.[0] ?? ''),
  );
  throw refusal(refused.error, where, { mayHaveRun });
}

/** The error of a request that Redis refused with these words. */
export function refusal(text: string, where: string, { mayHaveRun = false } = {}): RedisUnavailableError {
  const {
    trouble = 'login',
    passing = false,
    advice = 'Check user, password and database in REDIS_URL.',
  }: Partial<Refusal> = refusalOf(text) ?? {};
  const verb = trouble === 'login' ? 'refused the login' : 'does not serve';
  return new RedisUnavailableError(`Redis at ${where} ${verb}: ${firstSentence(text)}. ${advice}`, {
    mayHaveRun,
    trouble,
    passing,
  });
}

function refusalOf(text: string): Refusal | undefined {
  if (/^ERR max number of clients/.test(text)) return REFUSALS.MAXCLIENTS;
  if (/^ERR max (daily )?requests? (size|limit)/.test(text)) return REFUSALS.LIMIT;
  return REFUSALS[new RedisReplyError(plainWords(text)).code];
}

/** A command that is long for somebody who has not logged in is refused in other words. */
function plainWords(text: string): string {
  return text.startsWith('ERR Protocol error: unauthenticated') ? 'NOAUTH Authentication required.' : text;
}

const MAX_TEXT_LENGTH = 160;

/** Enough of Redis's words: its text about protected mode is a page. */
function firstSentence(text: string): string {
  const [sentence = ''] = cutCommand(new RedisReplyError(plainWords(text)).message).split(
    /\.(?:\s|$)|[\r\n]/,
    1,
  );
  return sentence.slice(0, MAX_TEXT_LENGTH);
}
