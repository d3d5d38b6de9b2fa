import type { Mistake } from '../support/tampered-redis.ts';

const COMMITS = ['record-check', 'commit-manual'];

/**
 * Mistakes that can be planted into the scripts on their way to Redis (`--plant NAME`): a chaos run that cannot fail shows
 * nothing. Each breaks one rule of the delivery.
 */
export const PLANTED: Readonly<Record<string, readonly Mistake[]>> = {
  'success-ends-ambiguous': [
    {
      script: 'settle-and-claim',
      from: 'if record.ambiguousAt and (record.ambiguousEpoch or 0) < at_epoch then',
      to: 'if false then',
    },
  ],
  'older-success-ends': [
    { script: 'settle-and-claim', from: "if at_epoch ~= epoch then return 'older', at_once end", to: '' },
  ],
  'failure-ends': [
    { script: 'settle-and-claim', from: "return 'retry', now + delay", to: "return 'retry', nil" },
  ],
  'address-ignored': [
    { script: 'settle-and-claim', from: "if holds_now ~= called then return 'moved', at_once end", to: '' },
  ],
  'missing-dropped': [
    {
      script: 'settle-and-claim',
      from: 'record.missed = (record.missed or 0) + 1',
      to: `redis.call('ZREM', due, uuid)
          if true then return end`,
    },
  ],
  'lease-stolen': COMMITS.map((script) => ({
    script,
    from: "if known[uuid] ~= 'skipped' then known[uuid] = 'leased' end",
    to: `local stolen = decode(text)
          stolen.lease = nil
          redis.call('HSET', keys.deliveries, uuid, cjson.encode(stolen))`,
  })),
  'register-first': COMMITS.map((script) => ({
    script,
    from: 'local due, leased = make_due(',
    to: `redis.call('HSET', keys.ip, 'current', change.to, 'epoch', epoch)
          local due, leased = make_due(`,
  })),
};
