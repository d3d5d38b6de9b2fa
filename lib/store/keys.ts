/**
 * Every key in Redis: its type, who writes it and what it means. "API" is the consumer API, which shares this database.
 * The whole contract, field by field, is in docs/REDIS.md.
 */
export interface Keys {
  /** string; the first of either writes it. This consumer's UUID: if it is not ours we refuse to run. */
  readonly uuid: string;
  /** hash uuid → address; the API, the operator, and we for a verified newcomer or move. */
  readonly consumers: string;
  /** hash uuid → address; the API and the operator. We only read. */
  readonly producers: string;
  /** hash uuid → JSON; we. What our probes found. */
  readonly health: string;
  /** set of uuids; the API adds who called while we did not hold it alive, a round takes them out. */
  readonly called: string;
  /** hash slot → JSON; we. Consumers that we only heard of. Also `secret`, from which slots are drawn. */
  readonly candidates: string;
  /** hash `<shard>/<of>` → where that part of a round stands; we. Also `probed`, and `health`, the clean-up's cursor. */
  readonly cursor: string;
  /** stream, about 500 entries; we. A summary a round and shard. */
  readonly rounds: string;
  /** string, JSON; we. What an API may answer to `/sync`. */
  readonly reply: string;
  /** hash; we. The register: the current IP with its epoch, and the state of the checks. */
  readonly ip: string;
  /** stream, about 1,000 entries; we. Changes of the IP and how they were delivered. */
  readonly ipHistory: string;
  /** hash producer uuid → JSON; we. Each producer's copy of a change. */
  readonly deliveries: string;
  /** sorted set producer uuid → when to look at it again, ms; we. */
  readonly due: string;
  /** hash uuid → `<day>:<a digit of worst state a day>`, 90 days; we. Our own UUID's is about ourselves. */
  readonly days: string;
  /** hash; we. The verdict that was last told to the operator, and when. */
  readonly alerts: string;
  /** string with expiry; we. The token of the one that holds the lease `name`. */
  lease(name: string): string;
}

export function createKeys(prefix: string): Keys {
  return {
    uuid: `${prefix}uuid`,
    consumers: `${prefix}consumers`,
    producers: `${prefix}producers`,
    health: `${prefix}consumers:health`,
    called: `${prefix}consumers:called`,
    candidates: `${prefix}consumers:candidates`,
    cursor: `${prefix}sync:cursor`,
    rounds: `${prefix}sync:rounds`,
    reply: `${prefix}sync:reply`,
    ip: `${prefix}ip`,
    ipHistory: `${prefix}ip:history`,
    deliveries: `${prefix}deliveries`,
    due: `${prefix}deliveries:due`,
    days: `${prefix}consumers:days`,
    alerts: `${prefix}alerts`,
    lease: (name) => `${prefix}lease:${name}`,
  };
}
