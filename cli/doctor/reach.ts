import type { AppParts } from '../../lib/app.ts';
import type { Outcome } from '../../lib/http/outcome.ts';
import { answersOf, strictMajority } from '../../lib/ip/decide.ts';
import type { Register } from '../../lib/ip/register.ts';
import { type Address, addressKey } from '../../lib/peers/address.ts';
import type { Ip } from '../../lib/peers/ip-space.ts';
import { parseSyncReply } from '../../lib/peers/reply.ts';
import { visible } from '../../report/text/escape.ts';
import { UsageError } from '../errors.ts';
import { type Finding, failure, ok, warning } from './finding.ts';
import type { TimedVote } from './sources.ts';

const WHY_IT_MATTERS =
  'Every call would teach peers the wrong address. Run the scheduler where its calls leave from the address at which ' +
  'consumers reach you: see "where the calls come from" in the README.';

/**
 * The one fatal mistake: peers record the address that our calls come from, so it has to be the one at which the consumer
 * API is reached. What is seen from here is held against what the operator says (`--reach`), what a `dns:` source names,
 * and what the register holds.
 */
export function judgeReach(
  answers: readonly TimedVote[],
  { reach, register }: { reach: Address | undefined; register: Pick<Register, 'current'> },
): Finding[] {
  const seen = seenBy(answers);
  if (seen === undefined) {
    return [
      warning(
        'reach',
        'where calls leave from could not be seen: no https:// source says so',
        answers.some(({ kind }) => kind === 'http')
          ? 'The https:// sources above say why they do not, or they disagree.'
          : 'Run doctor once with IP_SOURCES=https://checkip.amazonaws.com,https://ident.me or other echo services of .env.example.',
      ),
    ];
  }
  const named = answers.flatMap(({ kind, vote }) =>
    kind === 'dns' && vote.kind === 'ip' ? [[vote.source, vote.ip] as const] : [],
  );
  const expected: (readonly [string, Ip])[] = [
    ...(reach === undefined ? [] : [['--reach', reach.ip] as const]),
    ...named,
  ];
  const wrong = expected.filter(([, ip]) => ip !== seen);
  if (wrong.length > 0) {
    return wrong.map(([who, ip]) =>
      failure(
        'reach',
        `calls leave from ${seen}, but ${visible(who)} says that consumers reach you at ${ip}`,
        WHY_IT_MATTERS,
      ),
    );
  }
  const { current } = register;
  if (current !== undefined && current !== seen) {
    return [
      warning(
        'reach',
        `calls from this machine leave from ${seen}; the register has ${current}`,
        'On the host that runs the scheduler: the next check finds out (`check` runs one now). On another machine this is as it should be.',
      ),
    ];
  }
  if (expected.length > 0) return [ok('reach', `calls leave from ${seen}, where consumers reach you`)];
  return [
    ok(
      'reach',
      `calls leave from ${seen}${current === undefined ? '' : ', as the register has it'}; is your consumer API there?`,
    ),
  ];
}

/** The address that most echo services see calls come from. */
export function seenBy(answers: readonly TimedVote[]): Ip | undefined {
  return strictMajority(answersOf(answers.filter(({ kind }) => kind === 'http').map(({ vote }) => vote)));
}

/** `--reach`, by the rules for every address that is called. @throws UsageError */
export function readReach(
  raw: string | undefined,
  { policy }: Pick<AppParts, 'policy'>,
): Address | undefined {
  if (raw === undefined) return undefined;
  const parsed = policy.parse(raw);
  if ('address' in parsed) return parsed.address;
  throw new UsageError(
    `--reach ${visible(raw)} is no address that consumers could call (${parsed.refused}).`,
    'doctor',
  );
}

/** Statuses of a server that has `POST /sync`, and did not like what we sent or had no time. */
const KNOWS_SYNC = [400, 401, 403, 409, 415, 422, 429, 503];

/**
 * Tries the own consumer API at the address at which consumers are to reach it, through the rules and limits of every
 * call. The body names nobody, so that whatever answers has nothing to record.
 */
export async function tryOwnApi(
  answers: readonly TimedVote[],
  { reach, parts }: { reach: Address | undefined; parts: AppParts },
): Promise<Finding | undefined> {
  const { post, policy, config } = parts;
  const seen = strictMajority(
    answersOf(answers.filter(({ kind }) => kind !== 'dns').map(({ vote }) => vote)),
  );
  if (reach === undefined && seen === undefined) return undefined;
  const parsed = reach ?? policy.parse(seen === undefined ? '' : addressKey(seen, config.peers.port));
  if ('refused' in parsed) {
    return warning(
      'api',
      `your consumer API was not tried at ${seen}: the address is not one that may be called`,
      'PEER_ALLOW_CIDRS may name its network; otherwise try it from outside.',
    );
  }
  const address = 'address' in parsed ? parsed.address : parsed;
  const outcome = await post({ address, path: '/sync', body: '{}', timeoutMs: config.sync.timeoutMs });
  return judgeApi(outcome, address, parts);
}

function judgeApi(outcome: Outcome, { key }: Address, { policy, config }: AppParts): Finding {
  const from = `From outside: curl -d '{}' http://${key}/sync`;
  if (outcome.kind === 'failed') {
    return warning(
      'api',
      `nothing usable answers at ${key} from here (${outcome.error})`,
      `Is the consumer API up, its port forwarded and open? Many routers do not lead inside calls to their own outside address. ${from}`,
    );
  }
  const { status, body } = outcome;
  const { names } = parseSyncReply(body, policy);
  if (names !== undefined && names !== config.localUuid) {
    return failure(
      'api',
      `another consumer answers at ${key}: ${names === 'unreadable' ? 'its uuid is unreadable' : names}`,
      'Is the port forwarded to the right machine, and LOCAL_UUID the UUID of your consumer API?',
    );
  }
  if (names === config.localUuid) return ok('api', `your consumer API answers at ${key}, with its UUID`);
  if ((status >= 200 && status < 300) || KNOWS_SYNC.includes(status))
    return ok('api', `something answers POST /sync at ${key} (${status})`);
  return warning(
    'api',
    `what answers at ${key} has no POST /sync (${status})`,
    `Is it the consumer API? PEER_PORT and --reach say which port. ${from}`,
  );
}
