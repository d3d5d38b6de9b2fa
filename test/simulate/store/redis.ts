import { RedisReplyError } from '../../../lib/errors.ts';
import type { Command, Redis, Reply, ScriptCall } from '../../../lib/redis/redis.ts';
import { SCRIPTS } from './scripts.ts';
import type { Store } from './store.ts';

/**
 * A Redis over a simulated store, without a network in between: it answers at once. It knows the commands and scripts that
 * a round sends; anything else fails the run, so that a change of the scheduler is noticed.
 */
export function createSimulatedRedis(store: Store, nowMs: () => number): Redis {
  return {
    async send(requests) {
      return requests.map((request) => {
        try {
          return 'script' in request ? runScript(store, request) : runCommand(store, request, nowMs);
        } catch (error) {
          if (error instanceof RedisReplyError) return error;
          throw error;
        }
      });
    },
    async close() {},
  };
}

/** Runs a script's counterpart. Throws for a script that has none. */
export function runScript(store: Store, { script, keys, args }: ScriptCall): Reply {
  const run = SCRIPTS.get(script);
  if (run === undefined) throw new Error(`The simulated Redis does not know the script ${script.name}.`);
  return run(store, keys, args.map(String));
}

function runCommand(store: Store, [name, ...args]: Command, nowMs: () => number): Reply {
  const [key = '', ...rest] = args.map(String);
  switch (name) {
    case 'TIME':
      return [String(Math.floor(nowMs() / 1_000)), String((nowMs() % 1_000) * 1_000)];
    case 'GET':
      return store.get(key) ?? null;
    case 'SET': {
      const [value = '', option, ...more] = rest;
      if (option !== 'NX' || more.length > 0) break;
      return store.set(key, value, { onlyIfAbsent: true }) ? 'OK' : null;
    }
    case 'HMGET': {
      const fields = store.fields(key);
      return rest.map((field) => fields.get(field) ?? null);
    }
    case 'HSCAN': {
      const [cursor = '', option, count, ...more] = rest;
      if (option !== 'COUNT' || more.length > 0) break;
      const { next, flat } = store.scan(key, cursor, Number(count));
      return [next, flat];
    }
  }
  throw new Error(`The simulated Redis does not know this form of ${name}.`);
}
