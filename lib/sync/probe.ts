import type { RoundContext } from './context.ts';
import { nextHealth } from './health.ts';
import { type Answer, readAnswer, resultFor } from './outcome.ts';
import type { AddressGroup, Page } from './pages.ts';

/** What the probes of one page came to. Each address counts once. */
export interface PageProbes {
  readonly succeeded: number;
  readonly failed: number;
  /** Whether every due address was probed. If not, the round stopped before. */
  readonly finished: boolean;
}

/**
 * Probes the due addresses of a page, and puts the new record into each entry that the answer speaks about: the due
 * ones, and one that names itself although it was not due.
 */
export async function probePage(page: Page, context: RoundContext): Promise<PageProbes> {
  const counts = { succeeded: 0, failed: 0 };
  let started = false;
  await Promise.all(
    page.due.map((group) =>
      context.pool.run(async () => {
        if (!started) page.began.ms = context.host.monotonicMs();
        started = true;
        context.tally.probes += 1;
        const answer = readAnswer(await context.probe(group.address), context.policy);
        if (answer.kind === 'unprobed') return;
        const succeeded = applyAnswer(answer, group, context);
        counts[succeeded ? 'succeeded' : 'failed'] += 1;
        if (succeeded) context.progress.lastSuccessMs = context.host.monotonicMs();
      }),
    ),
  );
  return { ...counts, finished: counts.succeeded + counts.failed === page.due.length };
}

/** Answers whether anybody at the address was found alive. */
function applyAnswer(
  answer: Exclude<Answer, { kind: 'unprobed' }>,
  { address, entries }: AddressGroup,
  context: RoundContext,
): boolean {
  const { host, time } = context;
  const names = answer.kind === 'answered' ? answer.reply.names : undefined;
  let succeeded = false;
  for (const entry of entries) {
    if (!entry.due && entry.record.uuid !== names) continue;
    const result = resultFor(answer, entry.record.uuid);
    succeeded ||= result.kind !== 'failed';
    entry.next = nextHealth(entry.health, result, {
      address: address.key,
      nowMs: context.nowMs(),
      intervalMs: time.intervalMs,
      random: host.random(),
    });
  }
  if (answer.kind === 'answered') listen(answer, { address, entries }, context);
  return succeeded;
}

/** Takes note of whom the answer tells about: whoever named itself, if it is not whom we expected, or those it introduces. */
function listen(
  { reply }: Extract<Answer, { kind: 'answered' }>,
  { address, entries }: AddressGroup,
  { heard, isOurs }: RoundContext,
): void {
  const { names } = reply;
  const teacher = entries.find(({ record }) => names === undefined || record.uuid === names)?.record.uuid;
  if (teacher !== undefined) {
    for (const told of reply.heard) {
      if (!isOurs(told.uuid, told.address)) heard.add({ ...told, from: teacher });
    }
    return;
  }
  const from = entries[0]?.record.uuid;
  if (names === undefined || names === 'unreadable' || from === undefined || isOurs(names, address)) return;
  heard.add({ uuid: names, address, raw: address.key, from });
}
