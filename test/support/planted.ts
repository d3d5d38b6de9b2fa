import type { Mistake } from './tampered-redis.ts';

/** A mistake in a script that breaks one rule of the delivery: whatever tests the delivery has to find it. */
export interface Planted {
  /** What goes wrong, for the name of a test. */
  readonly what: string;
  /** In which mode of the model it shows (`test/model/world.ts`). */
  readonly mode: 'in-time' | 'late' | 'clock';
  readonly mistakes: readonly Mistake[];
}

const delivery = (from: string, to: string): readonly Mistake[] => [{ script: 'settle-and-claim', from, to }];
const commits = (from: string, to: string): readonly Mistake[] =>
  ['record-check', 'commit-manual'].map((script) => ({ script, from, to }));

/** The key is what `npm run chaos -- --plant` takes. */
export const PLANTED = {
  'success-ends-ambiguous': {
    what: 'success removes an ambiguous delivery',
    mode: 'late',
    mistakes: delivery(
      'if record.ambiguousAt and (record.ambiguousEpoch or 0) < at_epoch then',
      'if false then',
    ),
  },
  'lease-without-trace': {
    what: 'a lease that ended unsettled is taken over without a trace',
    mode: 'late',
    mistakes: delivery('note_ambiguous(record, record.leaseEpoch or 0, now + lease_ms)', ''),
  },
  'older-success-ends': {
    what: 'success for an older epoch removes the delivery',
    mode: 'in-time',
    mistakes: delivery("if at_epoch ~= epoch then return 'older', at_once end", ''),
  },
  'failure-ends': {
    what: 'a failed delivery is given up',
    mode: 'in-time',
    mistakes: delivery("return 'retry', now + delay", "return 'retry', nil"),
  },
  'address-ignored': {
    what: 'the settle ignores that the producer has moved',
    mode: 'in-time',
    mistakes: delivery("if holds_now ~= called then return 'moved', at_once end", ''),
  },
  'missing-dropped': {
    what: 'a claim drops the delivery of a missing producer',
    mode: 'in-time',
    mistakes: delivery(
      'record.missed = (record.missed or 0) + 1',
      "redis.call('ZREM', due, uuid) if true then return end",
    ),
  },
  'misses-kept': {
    what: 'a look that finds a producer does not forget the misses before it',
    mode: 'in-time',
    mistakes: delivery('record.missed = nil', ''),
  },
  'due-while-leased': {
    what: 'a delivery leaves deliveries:due while it is leased',
    mode: 'in-time',
    mistakes: delivery(
      "variadic('ZADD', due, scores, 2)",
      "if #claimed > 4 then redis.call('ZREM', due, scores[2]) end",
    ),
  },
  'counted-again': {
    what: 'a producer that is told again is counted again',
    mode: 'late',
    mistakes: delivery('if record.ackedEpoch ~= at_epoch then', 'if true then'),
  },
  'far-score-believed': {
    what: 'a score that a clock ahead of time gave is believed',
    mode: 'clock',
    mistakes: delivery("local beyond = '(' .. whole(now + LONGEST_WAIT)", "local beyond = '+inf'"),
  },
  'far-lease-believed': {
    what: 'a lease that a clock ahead of time gave is believed',
    mode: 'clock',
    mistakes: delivery('if lease_end > now + LONGEST_LEASE then lease_end = now end', ''),
  },
  'long-drain-believed': {
    what: 'lease:notify is believed however long it lasts',
    mode: 'clock',
    mistakes: delivery('return left >= 0 and left <= longest_ms and holder', 'return holder'),
  },
  'lease-stolen': {
    what: 'a commit takes leases away',
    mode: 'in-time',
    mistakes: commits(
      "if known[uuid] ~= 'skipped' then known[uuid] = 'leased' end",
      `local stolen = decode(text)
          stolen.lease = nil
          redis.call('HSET', keys.deliveries, uuid, cjson.encode(stolen))`,
    ),
  },
  'register-first': {
    what: 'a commit writes the register before the due set',
    mode: 'in-time',
    mistakes: commits(
      'local due, leased = make_due(',
      `redis.call('HSET', keys.ip, 'current', change.to, 'epoch', epoch)
          local due, leased = make_due(`,
    ),
  },
  'told-kept': {
    what: 'a commit does not begin to count anew',
    mode: 'in-time',
    mistakes: commits("'told', '0',", ''),
  },
} as const satisfies Readonly<Record<string, Planted>>;

export type PlantedName = keyof typeof PLANTED;
