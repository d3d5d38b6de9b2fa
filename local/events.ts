import type { WorldEvent } from './world/world.ts';

/** One consumer as the terminal shows it after a round. */
export interface ConsumerState {
  readonly uuid: string;
  readonly address: string;
  /** As in `consumers:health`; `new` if there is no record about this address yet. */
  readonly state: string;
  readonly lastError?: string;
}

/** What the narrator tells, as read from Redis's contract keys. Times are milliseconds since the epoch. */
export type RedisEvent =
  | {
      readonly kind: 'round';
      /** The stream entry's fields, as they are. */
      readonly summary: ReadonlyMap<string, string>;
      /** Absent where there are too many to list. */
      readonly consumers?: readonly ConsumerState[];
    }
  | { readonly kind: 'candidate'; readonly uuid: string; readonly address: string; readonly from?: string }
  | { readonly kind: 'joined'; readonly uuid: string; readonly address: string }
  | { readonly kind: 'ip-changed'; readonly from?: string; readonly to: string }
  | { readonly kind: 'ip-confirmed'; readonly ip: string }
  | { readonly kind: 'ip-contested'; readonly candidate: string; readonly checks: string }
  | { readonly kind: 'ip-unknown'; readonly checks: string }
  | { readonly kind: 'told'; readonly uuid: string; readonly ip: string }
  | {
      readonly kind: 'not-told';
      readonly uuid: string;
      readonly lastStatus: string;
      readonly nextAt: number;
    }
  | { readonly kind: 'all-told'; readonly told: string }
  /** Redis stopped answering the narrator, or answers it again. */
  | { readonly kind: 'redis-lost' }
  | { readonly kind: 'redis-back' };

/** What a function's own log had to say: warnings and errors only. */
export interface LogEvent {
  readonly kind: 'log';
  readonly level: 'warn' | 'error';
  readonly functionName: string;
  readonly message: string;
}

export type StackEvent = RedisEvent | WorldEvent | LogEvent;
