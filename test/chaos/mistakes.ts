import type { Mistake } from '../support/tampered-redis.ts';

const COMMITS = ['record-check', 'commit-manual'];

/**
 * Mistakes that can be planted into the scripts on their way to Redis (`--plant NAME`): a chaos run that cannot fail shows
 * nothing. Each breaks one rule of the delivery.
 */
export const PLANTED: Readonly<Record<string, readonly Mistake[]>> = {
  'success-ends-ambiguous': [
    {
      script: 'notify-settle',
      from: 'if record.ambiguousAt and (record.ambiguousEpoch or 0) < epoch then',
      to: 'if false then',
    },
  ],
  'older-success-ends': [
    { script: 'notify-settle', from: "if epoch ~= current then return 'older', now end", to: '' },
  ],
  'failure-ends': [
    { script: 'notify-settle', from: "return 'retry', now + delay", to: "return 'retry', nil" },
  ],
  'address-ignored': [
    { script: 'notify-settle', from: "if holds ~= called then return 'moved', now end", to: '' },
  ],
  'missing-dropped': [
    {
      script: 'notify-claim',
      from: 'record.missingSince = record.missingSince or now',
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
