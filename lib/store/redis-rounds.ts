import { createCandidateStore } from './candidates.ts';
import { createConsumerStore } from './consumers.ts';
import { createRoundOpener } from './open-round.ts';
import type { RoundStore } from './rounds.ts';
import { createSession, type RoundStoreOptions } from './session.ts';

/** The store of one invocation of `sync`, over Redis. */
export function createRoundStore(options: RoundStoreOptions): RoundStore {
  const session = createSession(options);
  return {
    nowMs: () => session.nowMs(),
    get commands() {
      return session.commands;
    },
    openRound: createRoundOpener(session),
    ...createConsumerStore(session),
    ...createCandidateStore(session),
    close: () => session.close(),
  };
}
