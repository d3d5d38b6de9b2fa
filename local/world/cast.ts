/**
 * Who is in the simulated world. The names are for the terminal only: on the wire and in Redis there are UUIDs and
 * addresses, as everywhere.
 */

/** The UUID of the consumer that the demo plays. */
export const OWN_UUID = '5e1f0000-0000-4000-8000-000000000001';

/** The simulated public addresses: TEST-NET-3 of RFC 5737, which nobody on the internet has. */
export const SIMULATED_NETWORK = '203.0.113.0/24';
export const FIRST_PUBLIC_IP = '203.0.113.10';

export interface SimulatedConsumer {
  readonly name: string;
  readonly uuid: string;
  /** `plain` answers 200 and nothing else, `down` does not listen, `slow` takes its time. */
  readonly behaviour: 'healthy' | 'plain' | 'down' | 'slow';
  /** Whom its replies introduce. */
  readonly introduces?: string;
  /** Whether it stands in `consumers` from the start. */
  readonly known: boolean;
  readonly description: string;
}

export const CONSUMERS: readonly SimulatedConsumer[] = [
  consumer('alder', 1, { behaviour: 'healthy', description: 'healthy' }),
  consumer('birch', 2, { behaviour: 'plain', description: 'healthy, answers without a body' }),
  consumer('cedar', 3, {
    behaviour: 'healthy',
    introduces: 'elm',
    description: 'healthy, introduces elm, whom nobody knew',
  }),
  consumer('dogwood', 4, { behaviour: 'down', description: 'down' }),
  consumer('elm', 5, { behaviour: 'healthy', known: false, description: 'healthy, not known at first' }),
  consumer('fir', 6, { behaviour: 'slow', description: 'slow: answers after 1.2 s' }),
];

/** How long a slow consumer takes to answer. */
export const SLOW_MS = 1_200;

export interface SimulatedProducer {
  readonly name: string;
  readonly uuid: string;
  /** How many calls it refuses (503) before it works. */
  readonly refusals: number;
  readonly description: string;
}

export const PRODUCERS: readonly SimulatedProducer[] = [
  producer('north', 1, 0, 'healthy'),
  producer('south', 2, 0, 'healthy'),
  producer('west', 3, 1, 'answers 503 to its first call, then recovers'),
];

export const SOURCES = ['source A', 'source B', 'source C'] as const;

/** uuid → name, for the terminal. */
export const NAMES: ReadonlyMap<string, string> = new Map(
  [...CONSUMERS, ...PRODUCERS].map(({ uuid, name }) => [uuid, name]),
);

function consumer(
  name: string,
  index: number,
  rest: Pick<SimulatedConsumer, 'behaviour' | 'description'> &
    Partial<Pick<SimulatedConsumer, 'introduces' | 'known'>>,
): SimulatedConsumer {
  return { name, uuid: `c0000000-0000-4000-8000-00000000000${index}`, known: true, ...rest };
}

function producer(name: string, index: number, refusals: number, description: string): SimulatedProducer {
  return { name, uuid: `b0000000-0000-4000-8000-00000000000${index}`, refusals, description };
}
