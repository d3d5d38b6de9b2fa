import type { Source, VoteError } from '../../lib/ip/sources.ts';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';

/** What a source says: an address, or why it has none. */
export type Said = Ip | VoteError;

/** A source and operator of that name that says, without a network, what `say` answers when it is asked. */
export function sourceSaying(
  id: string,
  say: () => Said | Promise<Said>,
  kind: Source['kind'] = 'http',
): Source {
  const voter = { source: id, operator: id };
  return {
    id,
    operator: id,
    kind,
    witness: kind === 'http',
    async ask() {
      const said = await say();
      return isError(said) ? { ...voter, kind: 'unknown', error: said } : { ...voter, kind: 'ip', ip: said };
    },
  };
}

function isError(said: Said): said is VoteError {
  return parseIp(said) === undefined;
}
