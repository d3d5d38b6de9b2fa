import type { AppParts } from '../../lib/app.ts';
import { answersOf, strictMajority } from '../../lib/ip/decide.ts';
import type { Source, Vote, VoteError } from '../../lib/ip/sources.ts';
import { plural } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import { duration } from '../../report/text/time.ts';
import { type Finding, failure, ok, warning } from './finding.ts';

/** What a source said, and how long it took. */
export interface TimedVote {
  readonly vote: Vote;
  readonly kind: Source['kind'];
  readonly tookMs: number;
}

/** Asks all sources at once. Never throws. */
export function askSources({ sources, host }: Pick<AppParts, 'sources' | 'host'>): Promise<TimedVote[]> {
  return Promise.all(
    sources.map(async (source) => {
      const startedMs = host.monotonicMs();
      const vote = await source.ask();
      return { vote, kind: source.kind, tookMs: host.monotonicMs() - startedMs };
    }),
  );
}

const NO_CONNECTION =
  'Is outgoing HTTPS open, and DNS working? If only this one fails, another may replace it.';

const REMEDIES: Readonly<Record<VoteError, string>> = {
  local: 'This machine has no descriptor, buffer or address left for it, or its own firewall said no.',
  timeout: NO_CONNECTION,
  unreachable: NO_CONNECTION,
  refused: NO_CONNECTION,
  reset: NO_CONNECTION,
  'not-found': 'The name has no address of the family in IP_FAMILY, or DNS does not work here.',
  forbidden: NO_CONNECTION,
  tls: "A wrong certificate, or somebody in between: check this machine's clock and CA certificates.",
  redirect: 'It redirects, and redirects are not followed: name the URL that answers itself.',
  status: 'Does the URL still exist? It has to answer 200 itself: redirects are not followed.',
  oversized: 'It answers a page, not an address: name the URL that answers plain text.',
  malformed: 'What answers there does not speak HTTP: check the URL.',
  'not-an-ip': 'It answers something else than an address: a wrong URL, or a captive portal in between.',
  'not-public':
    'It sees a private address: is it inside your network? IP_ALLOW_CIDRS allows that on purpose.',
  'wrong-family': 'Set IP_FAMILY to the family of the address at which consumers reach you.',
  ambiguous: 'The name has several addresses: it must have exactly one.',
  aborted: 'It was interrupted.',
};

/** A line for each source, and one for what they come to together. Pure. */
export function judgeSources(
  answers: readonly TimedVote[],
  { quorum, family }: { quorum: number; family: 4 | 6 },
): Finding[] {
  return [
    ...answers.map((answer) => ofOne(answer, family)),
    together(
      answers.map(({ vote }) => vote),
      quorum,
    ),
  ];
}

function ofOne({ vote, tookMs }: TimedVote, family: 4 | 6): Finding {
  const name = visible(vote.source);
  if (vote.kind === 'ip') return ok('source', `${name}: ${vote.ip} (${duration(tookMs)})`);
  const wrong = vote.error === 'wrong-family' ? `, IP_FAMILY is ${family}` : '';
  return warning('source', `${name}: ${vote.error}${wrong} (${duration(tookMs)})`, REMEDIES[vote.error]);
}

function together(votes: readonly Vote[], quorum: number): Finding {
  const answers = answersOf(votes);
  const winner = strictMajority(answers);
  const operators = new Set(votes.map(({ operator }) => operator)).size;
  const agreeing = [...answers.values()].filter((ip) => ip === winner).length;
  if (winner !== undefined && agreeing >= quorum) {
    return ok(
      'quorum',
      `${agreeing} of ${plural(operators, 'operator')} ${agreeing === 1 ? 'says' : 'say'} ${winner}; it takes ${quorum}`,
    );
  }
  if (answers.size < quorum) {
    return failure(
      'quorum',
      `${answers.size} of ${plural(operators, 'operator')} answered, ${quorum} must agree: a change would not be noticed`,
      'Put the sources above right, or name others in IP_SOURCES.',
    );
  }
  return failure(
    'quorum',
    `the operators contradict each other: ${[...new Set(answers.values())].join(', ')}`,
    'Two uplinks, a proxy, or a source that is wrong: the address is not known until most agree.',
  );
}
