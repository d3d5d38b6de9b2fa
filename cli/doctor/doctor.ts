import type { AppParts } from '../../lib/app.ts';
import { ConfigError, RedisReplyError, RedisUnavailableError } from '../../lib/errors.ts';
import { VERSION } from '../../lib/version.ts';
import { begin } from '../../report/read/begin.ts';
import { readRounds } from '../../report/read/rounds.ts';
import { visible } from '../../report/text/escape.ts';
import { type Context, environmentOf, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { checkConfiguration, configurationFaults } from './configuration.ts';
import { type Finding, ok, present, unavailable } from './finding.ts';
import { judgeNetwork, lookAtNetwork } from './gateway.ts';
import { checkPeers } from './peers.ts';
import { judgeReach, readReach, seenBy, tryOwnApi } from './reach.ts';
import { checkRedis } from './redis.ts';
import { checkRuns } from './runs.ts';
import { checkSchedules } from './schedule.ts';
import { showFindings, summaryOf } from './show.ts';
import { askSources, judgeSources } from './sources.ts';

/**
 * `p2p doctor`: whether it is set up right. A line for each thing that was looked at, and what to do where it is not well.
 * It asks the IP sources, tries the own consumer API, and takes and releases a lease of its own in Redis; nothing else.
 */
export async function doctor(context: Context): Promise<ExitCode> {
  const findings = await examine(context);
  const summary = summaryOf(findings);
  if (context.args.flag('json')) context.screen.json({ ...summary, findings });
  else showFindings(context.screen, findings);
  return summary.verdict === 'failure' ? EXIT.attention : EXIT.ok;
}

async function examine(context: Context): Promise<Finding[]> {
  const findings = [versions()];
  try {
    const given = environmentOf(context);
    return await withParts(context, async (parts) => {
      const reach = readReach(context.args.text('reach'), parts);
      findings.push(...checkConfiguration(parts.config, given));
      // The sources take seconds where the network is bad; Redis need not wait for them.
      const asking = askSources(parts);
      const looking = lookAtNetwork(parts.config);
      const state = await ofRedis(context, findings, () => lookAtRedis(parts, findings));
      const answers = await asking;
      findings.push(...judgeSources(answers, parts.config.ip));
      findings.push(...judgeReach(answers, { reach, register: state?.register ?? { current: undefined } }));
      findings.push(...present([await tryOwnApi(answers, { reach, parts })]));
      findings.push(...judgeNetwork(await looking, { seen: seenBy(answers), config: parts.config }));
      findings.push(...checkSchedules(parts.config, given.env, state?.rounds ?? []));
      if (state !== undefined) {
        findings.push(...checkRuns(parts.config, state));
        findings.push(...((await ofRedis(context, findings, () => checkPeers(parts))) ?? []));
      }
      return findings;
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...findings, ...configurationFaults(error, context.scrub)];
  }
}

/** Enough to tell the schedule from a few restarts. */
const DOCTOR_ROUNDS = 12;

function versions(): Finding {
  return ok('versions', `scheduler ${VERSION}, Node ${process.versions.node}`);
}

/** What Redis holds of ours; undefined where it is not ours. */
async function lookAtRedis(parts: AppParts, findings: Finding[]) {
  const look = await checkRedis(parts);
  findings.push(...look.findings);
  if (look.identity !== 'ours' && look.identity !== 'absent') return undefined;
  const { register, nowMs, rest } = await begin(parts, [
    ['XREVRANGE', parts.keys.rounds, '+', '-', 'COUNT', DOCTOR_ROUNDS * parts.config.sync.maxShards],
  ]);
  return { register, nowMs, rounds: readRounds(rest[0], nowMs) };
}

/** What `look` answers; undefined, and a finding, where Redis cannot be asked or refuses. */
async function ofRedis<Found>(
  context: Context,
  findings: Finding[],
  look: () => Promise<Found>,
): Promise<Found | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof RedisUnavailableError) {
      findings.push(unavailable('redis', context.scrub(error.message)));
      return undefined;
    }
    // A key of another type has its finding already.
    if (error instanceof RedisReplyError && error.code === 'WRONGTYPE') return undefined;
    if (!(error instanceof RedisReplyError)) throw error;
    const says = `Redis refuses a command: ${visible(context.scrub(error.message), 300)}`;
    findings.push(unavailable('redis', says, "These are Redis's own words. Its log may say more."));
    return undefined;
  }
}
