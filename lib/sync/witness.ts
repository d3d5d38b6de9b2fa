import type { Host } from '../host.ts';
import type { Source, Vote } from '../ip/sources.ts';
import { familyOf, type Ip, type IpFamily, isPublicUnicast, networkOf } from '../peers/ip-space.ts';
import type { HealthError } from '../store/health-record.ts';
import type { PartState, Scope, Tries } from '../store/part-state.ts';

/** A failed call, as far as it decides whether the failure counts. */
export interface FailedCall {
  readonly ip: Ip;
  readonly error: HealthError;
  /** When its first try began, by the monotonic clock. */
  readonly beganMs: number;
}

/**
 * What a failure is worth. `counted`: it says something about the consumer. `uncounted`: too many failed at once, or only
 * another family shows that our network works. `no-route` and `no-witness` say nothing: it may be our own network.
 */
export type Weight = 'counted' | 'uncounted' | 'no-route' | 'no-witness';

/**
 * Decides whether a failure is the consumer's. Lifeguard's lesson (https://arxiv.org/abs/1707.00788): doubt yourself
 * first. A failure counts only if something of the same family has answered since it began: for one that is far only
 * something far, because a neighbour also answers while the uplink is down.
 */
export interface Witness {
  /** A consumer answered. */
  answered(ip: Ip): void;
  /** One that is not dead was called for the first time in this round. */
  tried(ip: Ip, failed: boolean): void;
  /** Asks the IP sources of each family in which a failure has no witness yet. */
  askSources(failures: readonly FailedCall[], signal: AbortSignal): Promise<void>;
  weigh(failure: FailedCall): Weight;
  /** Whether anything at all has answered since then, by the monotonic clock. */
  heardSince(ms: number): boolean;
  /** What the next round needs to know. */
  readonly state: Pick<PartState, 'tries' | 'sourced'>;
}

/** A mass failure is more than a quarter of the first calls, and at least so many. */
const MASS_SHARE = 0.25;
const MASS_LEAST = 4;
/** Consumers in the same network as our own address are near: they may answer while the uplink is down. */
const NEAR_BITS = { 4: 16, 6: 32 } as const;
/** These votes say that nobody answered. A `tls` error may be a captive portal, which is no network. */
const SILENT: readonly string[] = [
  'local',
  'unreachable',
  'refused',
  'not-found',
  'tls',
  'timeout',
  'reset',
  'malformed',
  'forbidden',
  'aborted',
];

export function createWitness({
  ownIp,
  last,
  sourcesOf,
  host,
}: {
  readonly ownIp: Ip | undefined;
  /** What the last round knew. */
  readonly last: PartState;
  /** The IP sources, reached over a family. */
  readonly sourcesOf: (family: IpFamily) => readonly Source[];
  readonly host: Pick<Host, 'monotonicMs'>;
}): Witness {
  const never = Number.NEGATIVE_INFINITY;
  const answeredMs = { 4: { near: never, far: never }, 6: { near: never, far: never } };
  const tries: Partial<Record<`${IpFamily}${Scope}`, Tries>> = {};
  const sourced = new Set(last.sourced);

  const ownNetwork = ownIp === undefined ? undefined : networkOf(ownIp, NEAR_BITS);
  const scopeOf = (ip: Ip): Scope =>
    isPublicUnicast(ip) && networkOf(ip, NEAR_BITS) !== ownNetwork ? 'far' : 'near';
  const servicesOf = (family: IpFamily) => sourcesOf(family).filter(({ witness }) => witness);

  const heard = (family: IpFamily, scope: Scope, sinceMs: number) =>
    answeredMs[family].far >= sinceMs || (scope === 'near' && answeredMs[family].near >= sinceMs);
  const isMass = (key: `${IpFamily}${Scope}`) => {
    const sum = (of: keyof Tries) => (tries[key]?.[of] ?? 0) + (last.tries[key]?.[of] ?? 0);
    return sum('failed') >= MASS_LEAST && sum('failed') > MASS_SHARE * sum('tried');
  };

  return {
    answered(ip) {
      answeredMs[familyOf(ip)][scopeOf(ip)] = host.monotonicMs();
    },
    tried(ip, failed) {
      const key = `${familyOf(ip)}${scopeOf(ip)}` as const;
      const before = tries[key] ?? { tried: 0, failed: 0 };
      tries[key] = { tried: before.tried + 1, failed: before.failed + (failed ? 1 : 0) };
    },
    async askSources(failures, signal) {
      const lacking = failures.filter(({ ip, beganMs }) => !heard(familyOf(ip), scopeOf(ip), beganMs));
      const families = new Set(lacking.map(({ ip }) => familyOf(ip)));
      await Promise.all(
        [...families].map(async (family) => {
          if (!(await anyAnswers(servicesOf(family), signal))) return;
          answeredMs[family].far = host.monotonicMs();
          sourced.add(family);
        }),
      );
    },
    weigh({ ip, error, beganMs }) {
      const [family, scope] = [familyOf(ip), scopeOf(ip)];
      if (heard(family, scope, beganMs)) {
        // The few that are near are never a mass of their own: they may be behind what separates us from those far away.
        return isMass(`${family}${scope}`) || isMass(`${family}far`) ? 'uncounted' : 'counted';
      }
      if (error === 'unreachable' && Math.max(answeredMs[family].near, answeredMs[family].far) === never)
        return 'no-route';
      const other = family === 4 ? 6 : 4;
      const cannotAsk = servicesOf(family).length === 0;
      const noneEver = !sourced.has(family);
      return cannotAsk || (noneEver && heard(other, scope, beganMs)) ? 'uncounted' : 'no-witness';
    },
    heardSince: (ms) => heard(4, 'near', ms) || heard(6, 'near', ms),
    get state() {
      return { tries, sourced: [...sourced] };
    },
  };
}

/** Asks all at once; the first that answers ends the others. All have ended when this resolves. */
async function anyAnswers(services: readonly Source[], signal: AbortSignal): Promise<boolean> {
  const found = new AbortController();
  const either = AbortSignal.any([signal, found.signal]);
  await Promise.all(
    services.map(async (source) => {
      if (hasAnswered(await source.ask(either))) found.abort();
    }),
  );
  return found.signal.aborted;
}

function hasAnswered(vote: Vote): boolean {
  return vote.kind === 'ip' || !SILENT.includes(vote.error);
}
