import type { Log } from '../host.ts';
import type { createCandidateProbes } from './candidates.ts';
import type { Round } from './context.ts';

/** Writes what became of candidates and homes. Answers the fields of consumers whose health it has written. */
export async function settle({ store, findings, calls }: Round): Promise<readonly string[]> {
  const { discoveries, tally, news, introductions } = findings;
  const settled = await store.settle(discoveries);
  if (settled === 'lease-lost') {
    calls.stop('lease');
    return [];
  }
  const { promoted, moved } = settled;
  tally.promoted += promoted.length;
  tally.moved += moved.length;
  for (const discovery of discoveries) {
    if (discovery.kind === 'promote' && promoted.includes(discovery.candidate.uuid)) {
      const { candidate, health } = discovery;
      tally.states.alive += 1;
      introductions.add({ uuid: candidate.uuid, raw: health.address }, health);
      news.add('joined', { uuid: candidate.uuid, address: health.address });
    } else if ('move' in discovery && moved.includes(discovery.move.field)) {
      if (discovery.kind === 'move' && tally.states.dead > 0) {
        tally.states.dead -= 1;
        tally.states.alive += 1;
      }
      news.add('moved', { uuid: discovery.move.field.toLowerCase(), address: discovery.move.health.address });
    }
  }
  return [...promoted, ...moved];
}

/**
 * Hands what was heard to the store, and probes those who became candidates at once if everyone else has been called: so
 * news goes on in each round and not in each second one. What cannot be learned now will be told again.
 */
export async function learn(
  round: Round,
  probeCandidates: ReturnType<typeof createCandidateProbes>,
  log: Log,
): Promise<void> {
  const { store, findings, calls, nowMs } = round;
  const { hearsay, discoveries, tally } = findings;
  hearsay.know(
    discoveries.flatMap((each) =>
      each.kind === 'promote' || each.kind === 'move' ? [each.candidate.uuid] : [],
    ),
  );
  try {
    const candidates = await store.learn(hearsay.claims(nowMs()));
    tally.learned += candidates.length;
    if (calls.stopped === undefined) discoveries.push(...(await probeCandidates(candidates)));
  } catch (error) {
    log.warn('What consumers told about others could not be learned; they will tell it again', { error });
  }
}
