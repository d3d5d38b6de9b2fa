import type { Config } from '../config.ts';
import type { Host, Invocation, Invoke, Log } from '../host.ts';
import type { Source } from '../ip/sources.ts';
import { type Address, type AddressPolicy, addressKey } from '../peers/address.ts';
import type { IpFamily } from '../peers/ip-space.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { PartState } from '../store/part-state.ts';
import type { OpenedRound, PageWrite, PageWritten, PartName, RoundStore } from '../store/rounds.ts';
import { type Calls, createCalls } from './calls.ts';
import { createFindings, type Findings } from './findings.ts';
import type { RoundTime } from './health.ts';
import { mayBeNamed } from './hearsay.ts';
import { createWitness, type Witness } from './witness.ts';

/** What a round needs. */
export interface SyncParts {
  readonly config: Config;
  /** Makes the store of one invocation. */
  readonly openRoundStore: (invocation: Invocation) => RoundStore;
  readonly policy: AddressPolicy;
  readonly post: PostToPeer;
  /** The IP sources, reached over a family: they tell whether our own network works. */
  readonly sourcesOf: (family: IpFamily) => readonly Source[];
  readonly invoke: Invoke;
  readonly host: Host;
  readonly log: Log;
  /** Whether the calls of a round are spread over time, so that a home router bears them. */
  readonly spread: boolean;
}

/** Which part of a round runs here, and when the round began. An unsplit round is shard 0 of 1. */
export interface Part extends PartName {
  readonly round: string;
  /** By Redis's clock. */
  readonly at: number;
}

/** What the steps of a running round share. */
export interface Round {
  readonly store: RoundStore;
  readonly lease: OpenedRound['lease'];
  readonly part: Part;
  /** What the last round handed on. */
  readonly former: PartState;
  readonly time: RoundTime;
  /** By Redis's clock, and never before the round began: what it probes is known to belong to it. */
  nowMs(): number;
  readonly invocation: Invocation;
  readonly host: Host;
  readonly policy: AddressPolicy;
  readonly calls: Calls;
  readonly witness: Witness;
  readonly findings: Findings;
  /** Whether a peer is ourselves: our UUID, or our current address. */
  isOurs(uuid: Uuid, address: Address): boolean;
  mayBeNamed(address: Address): boolean;
  /** Takes a step. If it throws, the round stops, throws the first such error at its end, and this answers `otherwise`. */
  attempt<Result, const Otherwise>(
    step: () => Promise<Result>,
    otherwise: Otherwise,
  ): Promise<Result | Otherwise>;
  /** What steps threw. */
  readonly failures: readonly unknown[];
  /** Writes a page of this part. If that fails, or the lease is lost, the round stops. */
  write(page: Omit<PageWrite, 'part' | 'nowMs'>): Promise<PageWritten | 'lease-lost' | 'failed'>;
}

/** Puts together what the steps of a round share, once it is open. */
export function createRound(
  part: Part,
  opened: OpenedRound,
  store: RoundStore,
  invocation: Invocation,
  { config, policy, post, sourcesOf, host, spread }: SyncParts,
): Round {
  const { localUuid, peers, sync } = config;
  const { lease, ownIp, secret } = opened;
  const ownKey = ownIp === undefined ? undefined : addressKey(ownIp, peers.port);
  const former = opened.stateOf(part.of);
  const calls = createCalls({ config, policy, post, host, invocation, part, opened, spread });
  const failures: unknown[] = [];
  const nowMs = () => Math.max(store.nowMs(), part.at);
  const attempt: Round['attempt'] = async (step, otherwise) => {
    try {
      return await step();
    } catch (error) {
      failures.push(error);
      calls.stop('error');
      return otherwise;
    }
  };
  return {
    store,
    lease,
    part,
    former,
    time: { at: part.at, intervalMs: sync.intervalMs },
    nowMs,
    invocation,
    host,
    policy,
    calls,
    witness: createWitness({ ownIp, last: former, sourcesOf, host }),
    findings: createFindings({
      ownIp,
      former,
      secret,
      consumers: opened.consumers,
      at: part.at,
      random: host.random,
    }),
    isOurs: (uuid, address) => uuid === localUuid || address.key === ownKey,
    mayBeNamed: (address) => mayBeNamed(address, peers),
    failures,
    attempt,
    async write(page) {
      const written = await attempt(() => store.writePage({ part, nowMs: nowMs(), ...page }), 'failed');
      if (written === 'lease-lost') calls.stop('lease');
      return written;
    },
  };
}
