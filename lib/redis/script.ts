import { createHash } from 'node:crypto';

/** A Lua script, hashed for EVALSHA. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

/** Names and hashes a script. `lua` is sent as it is. */
export function defineScript(name: string, lua: string): Script {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
