import type { AppParts } from '../../lib/app.ts';
import { quickReturn } from '../../lib/ip/damping.ts';
import { judge } from '../../lib/ip/decide.ts';
import type { Vote } from '../../lib/ip/sources.ts';
import { parseNotifyEvent } from '../../lib/notify/event.ts';
import { candidatesIn } from '../../lib/store/candidates.ts';
import { countOf, isWrongType } from '../../lib/store/replies.ts';
import { MOST_CANDIDATE_PROBES } from '../../lib/sync/candidates.ts';
import { isDue } from '../../lib/sync/health.ts';
import { readConsumers, readProducers } from '../../report/peers/read-peers.ts';
import { begin, policyFor } from '../../report/read/begin.ts';
import { plural, tallyText } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import { duration } from '../../report/text/time.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { uuidCell } from '../peers/list.ts';

const DEFAULT_LIMIT = 20;

interface Called {
  readonly uuid: string;
  readonly address: string;
}

/** Who would be called: all counted, the first of them kept. */
interface Plan {
  readonly total: number;
  readonly first: readonly Called[];
  readonly left: Readonly<Record<string, number>>;
}

/** Whom a round would call now. Memory does not grow with their number. */
export async function dryRunSync(context: Context, parts: AppParts): Promise<ExitCode> {
  const { nowMs, register, rest } = await begin(parts, [['HLEN', parts.keys.candidates]]);
  const time = { at: nowMs, intervalMs: parts.config.sync.intervalMs };
  const candidates = isWrongType(rest[0]) ? 0 : candidatesIn(countOf(rest[0]));
  const policy = policyFor(parts, register);
  const plan = await planOf(
    context,
    readConsumers({ ...parts, policy, nowMs }),
    ({ state, health, address }) => {
      const parsed = policy.parse(address);
      if (state === 'unusable' || state === 'self' || 'refused' in parsed) return state;
      return isDue(health, time) ? undefined : 'not due';
    },
  );
  return show(context, 'consumer', plan, {
    notes:
      candidates > 0
        ? [
            `And up to ${plural(Math.min(candidates, MOST_CANDIDATE_PROBES), 'candidate')} that we only heard of.`,
          ]
        : [],
    json: { candidates },
  });
}

/** What a check would see now, and whom a change would have told. The sources are asked, which changes nothing. */
export async function dryRunCheck(context: Context, parts: AppParts): Promise<ExitCode> {
  const { nowMs, register } = await begin(parts);
  const votes = await Promise.all(parts.sources.map((source) => source.ask()));
  const look = judge(votes, register, parts.config.ip.quorum, nowMs);
  const ip = 'ip' in look ? look.ip : undefined;
  const decision = {
    unknown: 'unknown: nothing would change',
    voice: `the address is ${register.current}, as it was`,
    quorum: `the address is ${register.current}, as it was`,
    change: `a change to ${ip}, if it is seen again 3 s later`,
    counts: `a contested address ${ip}: one of three checks`,
  }[look.kind];
  const damping = ip === undefined ? undefined : quickReturn(register, ip, nowMs);
  const wait = damping?.kind === 'waits' ? `; its return waits ${duration(damping.untilMs - nowMs)}` : '';
  const plan =
    ip === undefined ? undefined : await planOfProducers(context, parts, { nowMs, register }, true);
  if (context.args.flag('json')) {
    context.screen.json({
      votes,
      decision: decision + wait,
      ...(plan === undefined ? {} : { producers: plan }),
    });
    return EXIT.ok;
  }
  for (const [i, vote] of votes.entries()) context.screen.entry(i === 0 ? 'sources' : '', voteText(vote));
  context.screen.entry('decision', decision + wait);
  if (plan !== undefined) show(context, 'producer', plan);
  return EXIT.ok;
}

/** Whom the operator's word, or without one a delivery of what is due, would call. */
export async function dryRunNotify(
  context: Context,
  parts: AppParts,
  word: { readonly ip: string } | undefined,
): Promise<ExitCode> {
  parseNotifyEvent(word ?? {}, parts.config.ip);
  const beginning = await begin(parts);
  return show(context, 'producer', await planOfProducers(context, parts, beginning, word !== undefined));
}

function voteText(vote: Vote): string {
  return `${visible(vote.source)}: ${vote.kind === 'ip' ? vote.ip : vote.error}`;
}

function planOfProducers(
  context: Context,
  parts: AppParts,
  { nowMs, register }: Pick<Awaited<ReturnType<typeof begin>>, 'nowMs' | 'register'>,
  everyone: boolean,
): Promise<Plan> {
  const pages = readProducers({
    ...parts,
    policy: policyFor(parts, register),
    nowMs,
    epoch: register.epoch,
    missing: false,
  });
  return planOf(context, pages, ({ state, due }) => {
    if (state === 'unusable') return state;
    return everyone || (due !== undefined && due <= nowMs) ? undefined : 'not due';
  });
}

/** `leave` answers why somebody would not be called, or undefined. */
async function planOf<Row extends { readonly uuid: string; readonly address?: string }>(
  { args }: Context,
  pages: AsyncIterable<readonly Row[]>,
  leave: (row: Row) => string | undefined,
): Promise<Plan> {
  const limit = args.whole('limit', { fallback: DEFAULT_LIMIT, min: 0 });
  const first: Called[] = [];
  const left = new Map<string, number>();
  let total = 0;
  for await (const page of pages) {
    for (const row of page) {
      const reason = leave(row);
      if (reason !== undefined) {
        left.set(reason, (left.get(reason) ?? 0) + 1);
        continue;
      }
      total += 1;
      if (first.length < limit || limit === 0) first.push({ uuid: row.uuid, address: row.address ?? '' });
    }
  }
  return { total, first, left: Object.fromEntries(left) };
}

function show(
  { args, screen }: Context,
  kind: 'consumer' | 'producer',
  plan: Plan,
  { notes = [], json = {} }: { notes?: readonly string[]; json?: Readonly<Record<string, unknown>> } = {},
): ExitCode {
  if (args.flag('json')) {
    screen.json({ [`${kind}s`]: plan, ...json });
    return EXIT.ok;
  }
  const left = tallyText(plan.left);
  screen.text(`${plural(plan.total, kind)} would be called${left === '' ? '' : `; left out: ${left}`}.`);
  const wide = args.flag('wide');
  for (const { uuid, address } of plan.first)
    screen.line(`  ${uuidCell(uuid, wide)}  ${visible(address, 53)}`);
  if (plan.total > plan.first.length)
    screen.text(
      `  and ${plural(plan.total - plan.first.length, 'more', 'more')}; --limit 0 shows all`,
      'dim',
    );
  for (const note of notes) screen.text(note);
  return EXIT.ok;
}
