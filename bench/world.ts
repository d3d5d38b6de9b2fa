/** The peers of a benchmark, numbered: what number has which UUID and which loopback address. */

/** Numbers go up to this, exclusive: 127.1.0.0 to 127.254.255.255. */
export const MAX_PEERS = 254 * 65_536;

/** The address of peer `index`, one of 127.0.0.0/8 of its own. Linux answers on all of them without configuration. */
export function ipOf(index: number): string {
  if (!Number.isInteger(index) || index < 0 || index >= MAX_PEERS) throw new RangeError(`no peer ${index}`);
  return `127.${1 + (index >>> 16)}.${(index >>> 8) & 255}.${index & 255}`;
}

/** The peer that listens at `ip`, or undefined for an address that is none of theirs. */
export function indexOf(ip: string): number | undefined {
  const [first, second, third, fourth] = ip.split('.').map(Number);
  if (first !== 127 || second === undefined || third === undefined || fourth === undefined) return undefined;
  return second < 1 || second > 254 ? undefined : (second - 1) * 65_536 + third * 256 + fourth;
}

export function uuidOf(index: number): string {
  return `0000bbbb-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
}

/** This consumer's own UUID; no peer has it. */
export const LOCAL_UUID = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';

/** How a peer behaves. All but `well` are ways of being broken. */
export type Behaviour = 'well' | 'silent' | 'garbage' | 'endless' | 'black-hole' | 'refusing';

/** The ports at which one server process shows each behaviour, on every address of 127.0.0.0/8. */
export type Ports = Readonly<Record<Behaviour, number>>;

/** How many of 100 peers behave how; the rest behave well. */
export const BROKEN_PERCENT = { refusing: 5, 'black-hole': 5, silent: 5, garbage: 1, endless: 1 } as const;

/** Peer `index`'s behaviour in a world with broken peers: evenly spread, the same in every run. */
export function brokenBehaviourOf(index: number): Behaviour {
  // 37 and 100 have no common divisor, so each hundred peers in a row meet each remainder once.
  let place = (index * 37) % 100;
  for (const [behaviour, percent] of Object.entries(BROKEN_PERCENT) as [
    keyof typeof BROKEN_PERCENT,
    number,
  ][]) {
    if (place < percent) return behaviour;
    place -= percent;
  }
  return 'well';
}
