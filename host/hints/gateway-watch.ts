import { type GatewayState, hasRestarted } from './gateway-messages.ts';

/** How often a gateway is asked. */
export const ASK_EVERY_MS = 10_000;
/** A gateway that does not answer is left alone for this long. */
export const LEFT_ALONE_MS = 3_600_000;
/** Questions in a row without an answer after which it is left alone, if it has never answered, */
const PATIENCE_WITH_A_STRANGER = 3;
/** and if it has: one that restarts is silent for some minutes, and has another address afterwards. */
const PATIENCE_WITH_A_FRIEND = 60;

/** What is known of the default gateway. */
export interface GatewayMemory {
  /** Its address and interface; another one is another gateway. */
  readonly gateway: string;
  /** The last answer, and when it came. */
  readonly last?: { readonly state: GatewayState; readonly atMs: number };
  /** The last external address that it told; it tells none while its own line is down. */
  readonly external?: string;
  /** Questions in a row without an answer. */
  readonly silent: number;
}

/** Why a check may be worth it. */
export type GatewayHint = 'another gateway' | 'another external address' | 'the gateway has started anew';

export interface GatewayNews {
  readonly memory: GatewayMemory;
  readonly hint?: GatewayHint;
  /** When to ask next. */
  readonly askAgainMs: number;
  /** Whether it is left alone from now on. */
  readonly givenUp: boolean;
}

/** What one question to the default gateway means, from what was known before. Pure. */
export function judgeGateway(
  before: GatewayMemory | undefined,
  gateway: string,
  state: GatewayState | undefined,
  nowMs: number,
): GatewayNews {
  const known = before?.gateway === gateway ? before : undefined;
  const hint = hintOf(before, known, state, nowMs);
  const silent = state === undefined ? (known?.silent ?? 0) + 1 : 0;
  const patience = known?.last === undefined ? PATIENCE_WITH_A_STRANGER : PATIENCE_WITH_A_FRIEND;
  const givenUp = silent >= patience;
  const external = state?.external ?? known?.external;
  return {
    memory: {
      ...known,
      gateway,
      ...(state !== undefined && { last: { state, atMs: nowMs } }),
      ...(external !== undefined && { external }),
      silent,
    },
    ...(hint !== undefined && { hint }),
    askAgainMs: nowMs + (givenUp ? LEFT_ALONE_MS : ASK_EVERY_MS),
    givenUp,
  };
}

function hintOf(
  before: GatewayMemory | undefined,
  known: GatewayMemory | undefined,
  state: GatewayState | undefined,
  nowMs: number,
): GatewayHint | undefined {
  if (before === undefined) return undefined;
  if (known === undefined) return 'another gateway';
  if (state === undefined || known.last === undefined) return undefined;
  if (state.external !== undefined && known.external !== undefined && state.external !== known.external) {
    return 'another external address';
  }
  const { last } = known;
  return hasRestarted(last.state, state, nowMs - last.atMs) ? 'the gateway has started anew' : undefined;
}
