import type { Statistics } from './measures/statistics.ts';
import type { Report } from './simulate.ts';

const NAME_WIDTH = 58;
const NOT_EXERCISED = 'not exercised';

/** The report as a table for a terminal. */
export function formatReport(report: Report, { tookMs }: { tookMs: number }): string {
  const { scenario, rounds } = report;
  const days = scenario.hours / 24;
  return [
    row('nodes, simulated time', `${scenario.nodes}, ${scenario.hours.toFixed(1)} h`),
    row('rounds; calls to consumers; to candidates', list(rounds.run, rounds.probes, rounds.candidateProbes)),
    row('the longest round', seconds(rounds.longestMs)),
    ...Object.entries(rounds.stopped).map(([reason, count]) =>
      row(`rounds stopped early: ${reason}`, number(count)),
    ),
    ...Object.entries(rounds.complaints).map(([text, count]) => row(`logged: ${text}`, number(count))),
    '',
    row(
      `all know all, from ${START_OF[scenario.start]}`,
      report.allKnowAllMs === undefined
        ? `not reached, ${(100 * report.knownShare).toFixed(1)} % of the pairs`
        : minutes(report.allKnowAllMs),
    ),
    ...newcomers(report),
    '',
    ...deaths(report, days),
    '',
    ...moves(report),
    ...partition(report),
    '',
    ...poison(report),
    '',
    row('the longest that anyone alive went without a call', minutes(report.longestWaitMs)),
    `seed ${scenario.seed}, ${(tookMs / 1_000).toFixed(1)} s`,
  ].join('\n');
}

const START_OF = { star: 'node 0 alone', chain: 'a chain', mesh: 'the start' };

function newcomers({ newcomers: { tookMs, open, cutShort } }: Report): string[] {
  return [
    row('a newcomer is known to all after', statistics(tookMs, minutes)),
    ...(open + cutShort > 0 ? [row('  not yet at the end; left before', list(open, cutShort))] : []),
  ];
}

function deaths(
  { verdicts, undetected, leavers, pairDays, scenario, rounds }: Report,
  days: number,
): string[] {
  const { detectionMs, falseDeaths, atOldAddress } = verdicts;
  const perPairDay = falseDeaths / pairDays;
  // Three rounds with two lost calls in each.
  const byChance = rounds.probes * scenario.loss ** 6 * (1 - scenario.loss ** 2);
  return [
    row('members that left for good', number(leavers)),
    row('  held dead by another after', statistics(detectionMs, minutes)),
    row('  held alive until the end', leavers === 0 ? NOT_EXERCISED : number(undetected)),
    row(`false deaths at ${percent(scenario.loss)} loss`, number(falseDeaths)),
    row('  so many losses in a row are to be expected', byChance.toFixed(1)),
    row(
      '  in a day; of a pair in a day',
      `${(falseDeaths / days).toFixed(1)}; ${perPairDay.toExponential(1)}`,
    ),
    row('held dead where it had moved away', number(atOldAddress)),
  ];
}

function moves({ moves: { tookMs, open, cutShort } }: Report): string[] {
  return [
    row('one that moved is reached by all after', statistics(tookMs, minutes)),
    ...(open + cutShort > 0
      ? [row('  not yet at the end; moved on or left before', list(open, cutShort))]
      : []),
  ];
}

function partition({ scenario, verdicts, rounds }: Report): string[] {
  const { acrossPartition, healingMs, unhealed, inOutage } = verdicts;
  return [
    ...(scenario.partition === undefined
      ? [row('a partition', NOT_EXERCISED)]
      : [
          row('held dead across the partition', number(acrossPartition)),
          row('  alive again after its end', statistics(healingMs, minutes)),
          row('  never', number(unhealed)),
        ]),
    ...(scenario.outage === undefined
      ? [row('an outage of our own', NOT_EXERCISED)]
      : [
          row('inconclusive rounds', number(rounds.inconclusive)),
          row('held dead in our own outage', `${number(inOutage)}   must be 0`),
        ]),
  ];
}

function poison({ poison: result }: Report): string[] {
  if (result === undefined) return [row('poisoners', NOT_EXERCISED)];
  const { falsePromotions, falseMoves, mostCandidates, mostOfTeacher, extraProbes } = result;
  return [
    row('false consumers', `${number(falsePromotions)}   must be 0`),
    row('false moves', `${number(falseMoves)}   must be 0`),
    row('candidates at most: in all, of a teacher', list(mostCandidates, mostOfTeacher)),
    row(
      'calls to nobody that it cost a round',
      statistics(extraProbes, (value) => value.toFixed(1)),
    ),
  ];
}

function row(name: string, value: string): string {
  return `${name.padEnd(NAME_WIDTH)}${value}`;
}

function statistics(result: Statistics | undefined, show: (value: number) => string): string {
  if (result === undefined) return NOT_EXERCISED;
  const { count, mean, p99, max } = result;
  return `mean ${show(mean)}, p99 ${show(p99)}, max ${show(max)} (of ${number(count)})`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function list(...values: number[]): string {
  return values.map(number).join('; ');
}

function minutes(ms: number): string {
  return `${(ms / 60_000).toFixed(1)} min`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1).replace(/\.0$/, '')} %`;
}
