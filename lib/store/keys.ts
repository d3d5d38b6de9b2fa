/**
 * Names every key in Redis: its type, who writes it and what it means. "API" is the consumer API, which shares this
 * database. The whole contract, field by field, is in docs/REDIS.md.
 */
export function createKeys(prefix: string) {
  return {
    /** string; the first of either writes it. This consumer's UUID: if it is not ours we refuse to run. */
    uuid: `${prefix}uuid`,
    /** hash uuid → address; the API, the operator, and we for a verified newcomer or move. */
    consumers: `${prefix}consumers`,
    /** hash uuid → address; the API and the operator. We only read. */
    producers: `${prefix}producers`,
    /** hash uuid → JSON; we. What our probes found. */
    health: `${prefix}consumers:health`,
    /** set of uuids; the API adds who called while we did not hold it alive, a round takes them out. */
    called: `${prefix}consumers:called`,
    /** hash slot → JSON; we. Consumers that we only heard of. Also `secret`, from which slots are drawn. */
    candidates: `${prefix}consumers:candidates`,
    /** hash `<shard>/<of>` → where that part of a round stands; we. Also `probed`, and `health`, the clean-up's cursor. */
    cursor: `${prefix}sync:cursor`,
    /** stream, about 500 entries; we. A summary a round and shard. */
    rounds: `${prefix}sync:rounds`,
    /** string, JSON; we. What an API may answer to `/sync`. */
    reply: `${prefix}sync:reply`,
    /** hash; we. The register: the current IP with its epoch, and the state of the checks. */
    ip: `${prefix}ip`,
    /** stream, about 1,000 entries; we. Changes of the IP and how they were delivered. */
    ipHistory: `${prefix}ip:history`,
    /** hash producer uuid → JSON; we. Each producer's copy of a change. */
    deliveries: `${prefix}deliveries`,
    /** sorted set producer uuid → when to look at it again, ms; we. */
    due: `${prefix}deliveries:due`,
    /** hash uuid → `<day>:<a digit of worst state a day>`, 90 days; we. Our own UUID's is about ourselves. */
    days: `${prefix}consumers:days`,
    /** hash; we. The verdict that was last told to the operator, and when. */
    alerts: `${prefix}alerts`,
    /** string with expiry; we. The token of the one that holds the lease `name`. */
    lease: (name: string) => `${prefix}lease:${name}`,
  } as const;
}

/** The names of all keys, with their prefix. */
export type Keys = ReturnType<typeof createKeys>;
