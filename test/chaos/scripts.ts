import type { Redis } from '../../lib/redis/redis.ts';
import { defineScript, type Script } from '../../lib/redis/script.ts';
import { SETTLE_AND_CLAIM } from '../../lib/store/deliveries.lua.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { COMMIT_MANUAL } from '../../lib/store/operators-word.ts';
import { BEGIN_CHECK, RECORD_CHECK } from '../../lib/store/register.lua.ts';
import { dyingAfter, type Mistake, withMistakes } from '../support/tampered-redis.ts';

export const KEYS = createKeys('{p2p}:');

/** The scripts of a check and of a delivery, by the hash under which they are asked for. */
const SCRIPTS: ReadonlyMap<string, Script> = new Map(
  [BEGIN_CHECK, RECORD_CHECK, COMMIT_MANUAL, SETTLE_AND_CLAIM].map((script) => [script.sha1, script]),
);

const BY_TEXT: ReadonlyMap<string, Script> = new Map(
  [...SCRIPTS.values()].map((script) => [script.lua, script]),
);

/** Scripts that may commit a change. */
export const COMMITTING: ReadonlySet<string> = new Set([RECORD_CHECK.name, COMMIT_MANUAL.name]);

/** Which script a command asks for, if it is one of ours. */
export function scriptOf([name, script]: readonly [string, ...(string | Buffer)[]]): Script | undefined {
  if (name === 'EVAL') return BY_TEXT.get(String(script));
  return name === 'EVALSHA' ? SCRIPTS.get(String(script)) : undefined;
}

/** The script's text with those of the mistakes in it that are about it. @throws Error if one has no place there any more. */
export function withPlanted(script: Script, mistakes: readonly Mistake[]): string {
  return rewritten(script, (redis) => withMistakes(redis, mistakes));
}

/** A script's text, but that it dies after so many writes. */
export function mortal(lua: string, writes: number): string {
  return rewritten(defineScript('mortal', lua), (redis) => dyingAfter(redis, writes));
}

/** What a tampered Redis would send in place of the script. */
function rewritten(script: Script, tamper: (redis: Redis) => Redis): string {
  let { lua } = script;
  const capture: Redis = {
    async send([request]) {
      if (request !== undefined && 'script' in request) lua = request.script.lua;
      return [];
    },
    close: async () => {},
  };
  void tamper(capture).send([{ script, keys: [], args: [] }], { repeatable: false });
  return lua;
}
