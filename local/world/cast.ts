/**
 * Who is in the world of `npm start`. The names are for the terminal only: on the wire and in Redis there are UUIDs and
 * addresses, as everywhere.
 */

/** The simulated public addresses: TEST-NET-3 of RFC 5737, which nobody on the internet has. */
export const SIMULATED_NETWORK = '203.0.113.0/24';
export const FIRST_PUBLIC_IP = '203.0.113.10';

/** Where the consumers of the world live: each has a loopback address of its own. */
export const WORLD_NETWORK = '127.0.0.0/8';

export interface WorldConsumer {
  readonly name: string;
  readonly uuid: string;
  readonly ip: string;
  /**
   * `real` is a consumer API with a scheduler of its own. `down` does not listen, `slow` takes its time, `liar` answers
   * and calls with lies.
   */
  readonly kind: 'real' | 'down' | 'slow' | 'liar';
  /** Whom it knows from the start. */
  readonly knows: readonly string[];
  /** The prefix of its keys in Redis. */
  readonly prefix: string;
  readonly description: string;
}

/** The consumer whose scheduler runs as functions: the one that the demo plays. */
export const YOU: WorldConsumer = consumer('you', 1, {
  kind: 'real',
  knows: ['alder', 'dogwood', 'fir', 'liar'],
  description: 'yours: its scheduler is the functions below',
});
export const OWN_UUID = YOU.uuid;

export const OTHERS: readonly WorldConsumer[] = [
  consumer('alder', 11, { kind: 'real', knows: ['birch'], description: 'knows birch at first' }),
  consumer('birch', 12, { kind: 'real', knows: ['cedar'], description: 'knows cedar at first' }),
  consumer('cedar', 13, { kind: 'real', knows: ['fir'], description: 'knows fir at first' }),
  consumer('dogwood', 14, { kind: 'down', description: 'is down' }),
  consumer('fir', 15, { kind: 'slow', description: 'is slow: answers after 1.2 s' }),
  consumer('liar', 16, {
    kind: 'liar',
    description: 'lies: says that birch lives there, calls as cedar',
  }),
];

export const CONSUMERS: readonly WorldConsumer[] = [YOU, ...OTHERS];

/** Whom the liar introduces beside others: there is no such consumer. */
export const INVENTED = {
  name: 'ghost',
  uuid: 'c0000099-0000-4000-8000-000000000000',
  ip: '127.0.0.99',
} as const;

/** How long a slow consumer takes to answer. */
export const SLOW_MS = 1_200;

export interface WorldProducer {
  readonly name: string;
  readonly uuid: string;
  /** How many changes it cannot keep (and answers 503) before it works. */
  readonly failures: number;
  readonly description: string;
}

export const PRODUCERS: readonly WorldProducer[] = [
  producer('north', 1, 0, 'healthy'),
  producer('south', 2, 0, 'healthy'),
  producer('west', 3, 1, 'its disk is full at first: answers 503, then recovers'),
];

export const SOURCES = ['source A', 'source B', 'source C'] as const;

/** uuid → name, for the terminal. */
export const NAMES: ReadonlyMap<string, string> = new Map(
  [...CONSUMERS, ...PRODUCERS, INVENTED].map(({ uuid, name }) => [uuid, name]),
);

/** The member of that name. Names are constants of this module, so that there always is one. */
export function memberOf(name: string): WorldConsumer {
  const found = CONSUMERS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`Nobody in the world is called ${name}`);
  return found;
}

function consumer(
  name: string,
  host: number,
  rest: Pick<WorldConsumer, 'kind' | 'description'> & Partial<Pick<WorldConsumer, 'knows'>>,
): WorldConsumer {
  const uuid = `c00000${String(host).padStart(2, '0')}-0000-4000-8000-000000000000`;
  const prefix = name === 'you' ? '{p2p}:' : `{${name}}:`;
  return { name, uuid, ip: `127.0.0.${host}`, knows: [], prefix, ...rest };
}

function producer(name: string, index: number, failures: number, description: string): WorldProducer {
  return { name, uuid: `b000000${index}-0000-4000-8000-000000000000`, failures, description };
}
