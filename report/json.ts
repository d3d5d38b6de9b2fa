import type { Facts } from './facts.ts';
import { isStale } from './read/stale.ts';
import type { Report } from './report.ts';

/** A report as JSON: what `status --json` prints and `/status.json` answers. Times are ms since the epoch. */
export function reportJson({ verdict, headline, reasons, facts }: Report): Readonly<Record<string, unknown>> {
  const [worst] = reasons;
  return {
    verdict,
    headline,
    reasons: reasons.map(({ code, verdict, text }) => ({ code, verdict, text })),
    ...(facts === undefined ? { error: { kind: worst?.code, message: worst?.text } } : factsJson(facts)),
  };
}

function factsJson(facts: Facts): Readonly<Record<string, unknown>> {
  const { nowMs, uuid, register, consumers, producers, checkEveryMs } = facts;
  const { current, previous, epoch, since, checkedAt, verifiedAt, unknownChecks, candidate } = register;
  const { known, heardOf, states, refused, countedAt, unusable } = consumers;
  return {
    at: nowMs,
    uuid,
    address: {
      current: current ?? null,
      confirmed: current !== undefined && !isStale(verifiedAt, checkEveryMs, nowMs),
      previous,
      epoch,
      since,
      checkedAt,
      verifiedAt,
      unknownChecks,
      candidate,
      answering: register.answering,
      operators: facts.operators,
      quorum: facts.quorum,
    },
    consumers: {
      known,
      heardOf,
      states,
      countedAt,
      refused,
      unusable: unusable.map(({ uuid, address, refused }) => ({ uuid, address, refused })),
    },
    producers: {
      known: producers.known,
      due: producers.due,
      overdue: producers.overdue,
      told: register.told,
      firstAck: register.firstAck,
      lastAck: register.lastAck,
      first: producers.first.map(({ uuid, address, state, refused, delivery, due }) => ({
        uuid,
        address: address ?? null,
        state,
        refused,
        attempts: delivery.attempts ?? 0,
        lastStatus: delivery.lastStatus,
        due,
      })),
    },
    mirror: facts.mirror,
    running: { sync: facts.syncRuns, notify: facts.notifyRuns },
    rounds: facts.rounds.slice(0, JSON_ROUNDS),
    changes: facts.changes.slice(0, JSON_CHANGES),
    wrongTypes: facts.wrongTypes,
  };
}

const JSON_ROUNDS = 10;
const JSON_CHANGES = 10;
