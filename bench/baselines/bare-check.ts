import type { Prepare } from '../contestant.ts';

export interface BareCheckParams {
  readonly restUrl: string;
  readonly token: string;
  readonly source: string;
}

/** The least that a check can be: a pipeline to Redis, a question to a source, a pipeline to Redis, by `fetch`. */
export const prepare: Prepare<BareCheckParams> = async ({ restUrl, token, source }) => {
  const pipeline = async (commands: readonly (readonly string[])[]) => {
    const response = await fetch(`${restUrl}/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(commands),
    });
    await response.json();
    if (!response.ok) throw new Error(`status ${response.status}`);
  };
  return {
    async run() {
      await pipeline([['TIME'], ['GET', 'uuid'], ['HINCRBY', 'bare', 'ticket', '1'], ['HGETALL', 'bare']]);
      // A connection of its own, as a check makes it.
      const response = await fetch(source, { headers: { connection: 'close' } });
      await response.text();
      await pipeline([['HSET', 'bare', 'checkedAt', '1']]);
      return {};
    },
  };
};
