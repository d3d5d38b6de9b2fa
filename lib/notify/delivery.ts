import * as v from 'valibot';
import type { Failure } from '../http/outcome.ts';
import type { Epoch } from '../ip/register.ts';

/**
 * One producer's copy of a change, as `deliveries` holds it. Every field may be absent, and times are Redis's
 * milliseconds. Written by the claim, the settle and nothing else; a commit makes deliveries due without touching them.
 */
export interface Delivery {
  /** The change that the producer last acknowledged. */
  readonly ackedEpoch?: number;
  /** When it first acknowledged that one. */
  readonly ackedAt?: number;
  /** Where it was last called. */
  readonly address?: string;
  /** Attempts of the epoch in `leaseEpoch` that came to an end. */
  readonly attempts?: number;
  /** When the first attempt of that epoch was claimed. */
  readonly firstAt?: number;
  /** What the last attempt came to: an HTTP status in digits, or a class like `timeout`. */
  readonly lastStatus?: string;
  /** The token of the claim that holds it. While it is there, the producer is a member of `deliveries:due`. */
  readonly lease?: string;
  /** The epoch of the last claim. Stays when the lease goes. */
  readonly leaseEpoch?: number;
  /** When the lease ends; this decides, not the score. */
  readonly leaseEnd?: number;
  /** The lowest epoch of an attempt that may still arrive … */
  readonly ambiguousEpoch?: number;
  /** … and when the last of them ended. */
  readonly ambiguousAt?: number;
  /** Since when no address has been found for it. */
  readonly missingSince?: number;
}

const time = v.fallback(v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), undefined);
const text = v.fallback(v.optional(v.string()), undefined);
const RECORD = v.fallback(
  v.pipe(
    v.string(),
    v.rawTransform<string, unknown>(({ dataset, addIssue, NEVER }) => {
      try {
        return JSON.parse(dataset.value);
      } catch {
        addIssue({ message: 'no JSON' });
        return NEVER;
      }
    }),
    v.object({
      ackedEpoch: time,
      ackedAt: time,
      address: text,
      attempts: time,
      firstAt: time,
      lastStatus: text,
      lease: text,
      leaseEpoch: time,
      leaseEnd: time,
      ambiguousEpoch: time,
      ambiguousAt: time,
      missingSince: time,
    }),
  ),
  {},
);

/** Reads a record; what is not usable in it counts as absent, an undecodable one as empty. Never throws. */
export function decodeDelivery(json: unknown): Delivery {
  const known = Object.entries(v.parse(RECORD, json)).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known);
}

/** How long after its end an ambiguous attempt may still take effect: a success claimed later than this settles it. */
export const AMBIGUITY_MS = 60_000;

/** Time that a request must have left beside its own deadline, under its lease and in the invocation. */
export const START_MARGIN_MS = 5_000;

/**
 * How long a delivery is leased, and `lease:notify` too: two deadlines and 20 s, so that a request that starts late
 * still ends, and is settled, before anybody else may take the delivery.
 */
export function leaseMs(notifyTimeoutMs: number): number {
  return 2 * notifyTimeoutMs + 20_000;
}

/** A delivery that a claim gave us, with all that its settle needs. */
export interface Claimed {
  readonly uuid: string;
  /** The very string that `producers` held. */
  readonly rawAddress: string;
  /** This claim's alone, never used again. */
  readonly token: string;
  readonly epoch: Epoch;
  /** Redis's time right before the claim was sent, ms. */
  readonly claimedAt: number;
  /** Attempts of this epoch before this one. */
  readonly attempts: number;
  readonly firstAt: number;
}

/** Why a delivery failed, in words that go into summaries and records. */
export type FailureClass = Failure | 'status' | 'bad-address';

/** What became of a claimed delivery. */
export type Result =
  | { readonly kind: 'acknowledged'; readonly status: number }
  | {
      readonly kind: 'failed';
      readonly error: FailureClass;
      readonly status?: number;
      /** The request may still take effect: its bytes may have left, and no complete reply came. */
      readonly ambiguous: boolean;
      readonly retryAfterMs?: number;
    }
  /** No request was started. */
  | { readonly kind: 'released' };
