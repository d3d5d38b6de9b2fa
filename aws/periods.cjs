// Periods of the alarms, in seconds, for serverless.yml. CloudFormation cannot compute them from the schedules' periods.
'use strict';

const MINUTE_S = 60;
const FIVE_MINUTES_S = 300;

/** A schedule's period in seconds, rounded up to whole minutes as CloudWatch requires. */
function periodOf(intervalMs, defaultMs) {
  const ms = Number(intervalMs || defaultMs);
  return Math.max(MINUTE_S, Math.ceil((Number.isFinite(ms) ? ms : defaultMs) / 60_000) * MINUTE_S);
}

module.exports = () => {
  const sync = periodOf(process.env.SYNC_INTERVAL_MS, 300_000);
  const ipCheck = periodOf(process.env.IP_CHECK_INTERVAL_MS, 60_000);
  return {
    // The silence alarms look at this many periods. A period of five minutes holds five checks by default, so that one
    // empty period is silence. A schedule slower than that leaves a period empty when it fires a little late.
    sync,
    syncPeriods: 3,
    ipCheck: Math.max(FIVE_MINUTES_S, ipCheck),
    ipCheckPeriods: ipCheck * 2 <= FIVE_MINUTES_S ? 1 : 3,
    // Long enough for three checks, and at least a quarter of an hour.
    ipUnknown: Math.max(3 * FIVE_MINUTES_S, 3 * ipCheck),
    // Long enough for two checks, and at least an hour.
    redundancy: Math.max(3_600, 2 * ipCheck),
  };
};
