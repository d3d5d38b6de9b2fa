/** The time that Redis tells in a chaos run: the machine's, and ahead of it by whatever the run has skipped. */
export interface VirtualClock {
  nowMs(): number;
  /** How far it is ahead, ms. */
  readonly aheadMs: number;
  /** Skips that much. Never backwards. */
  skip(ms: number): void;
}

export function createVirtualClock(): VirtualClock {
  let aheadMs = 0;
  return {
    nowMs: () => Date.now() + aheadMs,
    get aheadMs() {
      return aheadMs;
    },
    skip(ms) {
      aheadMs += Math.max(0, Math.ceil(ms));
    },
  };
}
