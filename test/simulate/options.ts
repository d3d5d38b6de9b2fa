import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

/** What is simulated. */
export interface Scenario {
  readonly nodes: number;
  readonly hours: number;
  readonly seed: number;
  readonly start: Start;
  /** Whether consumers tell of others: of 50 that they know (`on`), or of whom their scheduler has chosen (`reply`). */
  readonly gossip: Gossip;
  /** Whether the consumer API tells its scheduler who called while it was not held alive. */
  readonly called: boolean;
  /** The share of exchanges that are lost, from 0 to 1. */
  readonly loss: number;
  readonly latencyMs: number;
  /** The share of members that leave, and are replaced by newcomers, in an hour. */
  readonly churn: number;
  /** Address changes in an hour, of all members together. */
  readonly moves: number;
  /** The share of those that get an address which another member had before, as from a provider's pool. */
  readonly reuse: number;
  readonly partition: Window | undefined;
  readonly outage: Window | undefined;
  readonly poisoners: number;
  readonly maxProbes: number | undefined;
  /** Whether rounds spread their calls over time, as on a host. */
  readonly spread: boolean;
  /** Calls that each member's router keeps at a time; descriptors that it has; seconds in which its uplink is down. */
  readonly nat: number | undefined;
  readonly descriptors: number | undefined;
  readonly flap: { readonly down: number; readonly every: number } | undefined;
  /** When a member reaches its neighbour alone: its uplink is down, and there are two members in each /16. */
  readonly uplink: Window | undefined;
  /** Seconds for which each process stops in each of its rounds. */
  readonly stall: number | undefined;
}

/** Minutes from the start. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * Whom the founders know: all of them node 0 alone (`star`), each the one before it (`chain`), or each everyone (`mesh`).
 */
export type Start = (typeof STARTS)[number];
export type Gossip = (typeof GOSSIPS)[number];
const GOSSIPS = ['off', 'on', 'reply'] as const;
const STARTS = ['star', 'chain', 'mesh'] as const;

export interface Options {
  readonly scenario: Scenario;
  readonly json: boolean;
  readonly help: boolean;
}

/** The schedule of the simulated schedulers, the default of `SYNC_INTERVAL_MS`. */
export const INTERVAL_MS = 300_000;
const ROUNDS_AN_HOUR = 3_600_000 / INTERVAL_MS;
const MAX_SEED = 2 ** 31;
const ON_OFF = ['on', 'off'] as const;

export const HELP = `npm run simulate -- [options]

  --nodes N                 consumers at the start, each with a scheduler (30)
  --hours H                 simulated time (6), or
  --rounds N                the same in rounds of five minutes
  --seed S                  decides everything else; the same again gives the same (random)
  --start star|chain|mesh   whom they know at first: node 0, the one before, everyone (star)
  --gossip on|off|reply     whether a reply to /sync tells of 50 others (on), or of those in sync:reply
  --called on|off           whether an API adds to consumers:called (off)
  --loss PERCENT            of exchanges, each lost one a timeout (1)
  --latency MS              of an exchange, the median (80)
  --churn PERCENT           of the nodes that leave and are replaced in an hour (5)
  --moves N                 address changes in an hour (4)
  --reuse PERCENT           of these, to an address that another node had before (0)
  --partition START,LENGTH  minutes in which even and odd nodes do not reach each other
  --outage START,LENGTH     minutes in which no node reaches anything
  --poisoners N             nodes that tell of 50 false consumers in each reply (1)
  --max-probes N            SYNC_MAX_PROBES_PER_ROUND (no limit)
  --spread on|off           whether a round starts 30 calls a second at most, as on a host (off)
  --nat N                   each is behind a router that keeps N calls for 12 s; further ones are lost (no limit)
  --descriptors N           each can make N calls at a time; further ones fail on its own machine (no limit)
  --flap DOWN,EVERY         each one's uplink is down for the first DOWN of EVERY seconds
  --uplink START,LENGTH     minutes in which a node reaches one other alone, which is in its /16
  --stall SECONDS           for which each process stops at some moment of each round
  --json                    the result as JSON on stdout
  --help                    this text

Churn and moves begin once all know all, or in the middle if they never do, and end half an hour before the end.
What --nat, --descriptors and --flap do begins after 15 minutes. Redis answers at once. A lost exchange is a timeout for the caller: TCP repeats lost packets, so a percent of
exchanges is far more than a percent of packets.`;

/** Reads the command line as a whole; the fault has a line for each thing that is wrong with it. */
export function readOptions(args: readonly string[]): Options | { fault: string } {
  const text = (fallback: string) => ({ type: 'string' as const, default: fallback });
  const optional = { type: 'string' as const };
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        nodes: text('30'),
        hours: optional,
        rounds: optional,
        seed: text(String(randomInt(MAX_SEED))),
        start: text('star'),
        gossip: text('on'),
        loss: text('1'),
        latency: text('80'),
        churn: text('5'),
        moves: text('4'),
        reuse: text('0'),
        partition: optional,
        outage: optional,
        poisoners: text('1'),
        'max-probes': optional,
        spread: text('off'),
        called: text('off'),
        nat: optional,
        descriptors: optional,
        flap: optional,
        uplink: optional,
        stall: optional,
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { read, faults } = createReader();
    const scenario: Scenario = {
      nodes: read.whole('--nodes', values.nodes, { min: 2, max: 10_000 }),
      hours:
        values.rounds === undefined
          ? read.number('--hours', values.hours ?? '6', { min: 0.25, max: 10_000 })
          : read.whole('--rounds', values.rounds, { min: 3, max: 100_000 }) / ROUNDS_AN_HOUR,
      seed: read.whole('--seed', values.seed, { min: 0, max: MAX_SEED }),
      start: read.one('--start', values.start, STARTS),
      gossip: read.one('--gossip', values.gossip, GOSSIPS),
      called: read.one('--called', values.called, ON_OFF) === 'on',
      loss: read.number('--loss', values.loss, { min: 0, max: 90 }) / 100,
      latencyMs: read.number('--latency', values.latency, { min: 1, max: 2_000 }),
      churn: read.number('--churn', values.churn, { min: 0, max: 100 }) / 100,
      moves: read.number('--moves', values.moves, { min: 0, max: 100_000 }),
      reuse: read.number('--reuse', values.reuse, { min: 0, max: 100 }) / 100,
      partition: read.window('--partition', values.partition),
      outage: read.window('--outage', values.outage),
      poisoners: read.whole('--poisoners', values.poisoners, { min: 0, max: 10_000 }),
      nat: read.optional('--nat', values.nat),
      descriptors: read.optional('--descriptors', values.descriptors),
      flap: read.flap('--flap', values.flap),
      uplink: read.window('--uplink', values.uplink),
      stall: read.optional('--stall', values.stall),
      spread: read.one('--spread', values.spread, ON_OFF) === 'on',
      maxProbes:
        values['max-probes'] === undefined
          ? undefined
          : read.whole('--max-probes', values['max-probes'], { min: 100, max: 100_000_000 }),
    };
    if (faults.length === 0) faults.push(...contradictionsOf(scenario, values));
    if (faults.length > 0) return { fault: faults.join('\n') };
    return { scenario, json: values.json, help: values.help };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

function contradictionsOf(
  { nodes, poisoners, hours, partition, outage, uplink }: Scenario,
  values: { rounds?: string | undefined; hours?: string | undefined },
): string[] {
  const isLate = (window: Window | undefined) => window !== undefined && window.to > hours * 60;
  return [
    values.rounds !== undefined && values.hours !== undefined && '--rounds and --hours exclude each other.',
    poisoners > nodes - 2 && '--poisoners must leave two honest --nodes.',
    isLate(partition) && '--partition must end within the simulated time.',
    isLate(outage) && '--outage must end within the simulated time.',
    isLate(uplink) && '--uplink must end within the simulated time.',
  ].filter((fault) => fault !== false);
}

/** Readers of single values, which note what is wrong and go on. */
function createReader() {
  const faults: string[] = [];
  const number = (name: string, text: string, { min, max }: { min: number; max: number }) => {
    const value = /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    faults.push(`${name} must be a number from ${min} to ${max}.`);
    return min;
  };
  const read = {
    number,
    whole(name: string, text: string, { min, max }: { min: number; max: number }) {
      if (/^\d{1,12}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
      faults.push(`${name} must be a whole number from ${min} to ${max}.`);
      return min;
    },
    one<const Value extends string>(name: string, text: string, values: readonly [Value, ...Value[]]): Value {
      const value = values.find((each) => each === text);
      if (value === undefined) faults.push(`${name} must be one of ${values.join(', ')}.`);
      return value ?? values[0];
    },
    optional(name: string, text: string | undefined): number | undefined {
      return text === undefined ? undefined : read.whole(name, text, { min: 1, max: 1_000_000 });
    },
    flap(name: string, text: string | undefined): Scenario['flap'] {
      if (text === undefined) return undefined;
      const [, down, every] = /^(\d{1,4}),(\d{1,4})$/.exec(text) ?? [];
      if (down !== undefined && Number(every) > Number(down))
        return { down: Number(down), every: Number(every) };
      faults.push(`${name} must be the seconds of which it is down, and of a period, like 10,30.`);
      return undefined;
    },
    window(name: string, text: string | undefined): Window | undefined {
      if (text === undefined) return undefined;
      const [, from, length] = /^(\d{1,6}),(\d{1,6})$/.exec(text) ?? [];
      if (from !== undefined && Number(length) > 0)
        return { from: Number(from), to: Number(from) + Number(length) };
      faults.push(`${name} must be its start and its length in whole minutes, like 60,30.`);
      return undefined;
    },
  };
  return { read, faults };
}
