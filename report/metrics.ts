import { VERSION } from '../lib/version.ts';
import type { Facts } from './facts.ts';
import { REASON_CODES } from './reasons.ts';
import type { Report } from './report.ts';
import { totalOf } from './text/count.ts';
import { outdatedMirrorWords } from './words.ts';

/** A sample: its labels, which are the program's own words, and its value. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The content type of `metricsText` (Prometheus text format 0.0.4). */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * A report as Prometheus's text. What is not known has no sample. No peer is a label: there may be a million of them, and
 * strangers choose their names. Times are Redis's, in seconds since the epoch.
 */
export function metricsText(report: Report): string {
  return metricsOf(report)
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, help, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${samples.map((sample) => `${line(name, sample)}\n`).join('')}`,
    )
    .join('');
}

/** The names of all metrics that there can be. */
export const METRIC_NAMES: readonly string[] = metricsOf({ verdict: 'ok', reasons: [], headline: '' }).map(
  ({ name }) => name,
);

function metricsOf({ verdict, reasons, facts }: Report): Metric[] {
  const codes = new Set<string>(reasons.map(({ code }) => code));
  const gauge = (
    name: string,
    help: string,
    ...samples: readonly (Sample | number | undefined)[]
  ): Metric => ({
    name: `p2p_${name}`,
    help,
    samples: samples.flatMap((sample) =>
      sample === undefined ? [] : typeof sample === 'number' ? [[{}, sample] as const] : [sample],
    ),
  });
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1_000);
  const [last] = facts?.rounds ?? [];
  const states = Object.entries(facts?.consumers.states ?? {});
  return [
    gauge('build_info', 'Version of the scheduler that answers.', [{ version: VERSION }, 1]),
    gauge('redis_up', 'Whether Redis could be asked.', facts === undefined ? 0 : 1),
    gauge(
      'verdict',
      'The verdict: 1 for the one that holds.',
      ...(['ok', 'attention', 'unknown'] as const).map(
        (each): Sample => [{ verdict: each }, each === verdict ? 1 : 0],
      ),
    ),
    gauge(
      'reason',
      'What keeps all from being well: 1 for each reason that holds.',
      ...REASON_CODES.map((code): Sample => [{ code }, codes.has(code) ? 1 : 0]),
    ),
    gauge('time_seconds', "Redis's time at which this was read.", seconds(facts?.nowMs)),
    gauge(
      'check_timestamp_seconds',
      'When the last IP check was recorded.',
      seconds(facts?.register.checkedAt),
    ),
    gauge(
      'address_confirmed_timestamp_seconds',
      'When a check last confirmed the address.',
      seconds(facts?.register.verifiedAt),
    ),
    gauge(
      'address_since_timestamp_seconds',
      'When the address last changed.',
      seconds(facts?.register.since),
    ),
    gauge('checks_unknown', 'Checks in a row that found nothing out.', facts?.register.unknownChecks),
    gauge(
      'sources_answering',
      'Operators that answered when all were asked last.',
      facts?.register.answering,
    ),
    gauge('sources_operators', 'Operators of IP sources.', facts?.operators),
    gauge('sources_quorum', 'Operators that must agree on a new address.', facts?.quorum),
    gauge('consumers', 'Consumers by state.', ...states.map(([state, count]): Sample => [{ state }, count])),
    gauge('consumers_heard_of', 'Consumers that were only heard of.', facts?.consumers.heardOf),
    gauge('producers', 'Producers that are known.', facts?.producers.known),
    gauge('producers_due', 'Deliveries that have not come to an end.', facts?.producers.due),
    gauge(
      'producers_overdue',
      'Deliveries that nobody looks at although they are due.',
      facts?.producers.overdue,
    ),
    gauge('producers_told', 'Producers that acknowledged the present address.', facts?.register.told),
    gauge(
      'telling_duration_seconds',
      'From the last change of the address to the last producer that acknowledged it.',
      seconds(tellingMs(facts)),
    ),
    gauge('round_timestamp_seconds', 'When the last round began.', seconds(last?.at)),
    gauge('round_duration_seconds', 'How long the last round took.', seconds(last?.durationMs)),
    gauge(
      'round_complete',
      'Whether the last round reached every consumer.',
      last && (last.complete ? 1 : 0),
    ),
    gauge('round_calls', 'Calls of the last round.', last?.probes),
    gauge('round_failures', 'Consumers whose call failed in the last round.', last && totalOf(last.errors)),
    gauge(
      'mirror_voices',
      'Networks of peers by what they say about us.',
      ...(facts?.mirror === undefined || outdatedMirrorWords(facts) !== undefined
        ? []
        : (['here', 'elsewhere', 'reached', 'unreached'] as const).map(
            (says): Sample => [{ says }, facts.mirror?.[says] ?? 0],
          )),
    ),
  ];
}

function tellingMs(facts: Facts | undefined): number | undefined {
  const { lastAck, since } = facts?.register ?? {};
  return lastAck === undefined || since === undefined ? undefined : Math.max(0, lastAck - since);
}

function line(name: string, [labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(
    ([label, text]) => `${label}="${text.replace(/[\\"\n]/g, '\\$&')}"`,
  );
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}
