import assert from 'node:assert/strict';
import { MAX_HEADER_BYTES } from '../../../lib/http/reply-parser.ts';
import { parseSource } from '../../../lib/ip/source-spec.ts';
import { createSources } from '../../../lib/ip/sources.ts';
import type { VoteError } from '../../../lib/ip/vote.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import type { Verdict } from '../../support/hostile-server.ts';
import { describeHostileReplies } from '../../support/hostile-suite.ts';

/** A source tells less about a failure than a call to a peer does. */
const VERDICTS: Partial<Record<VoteError, readonly Verdict[]>> = {
  timeout: ['timeout'],
  network: ['refused', 'reset'],
  status: ['redirect'],
  oversized: ['oversized'],
  malformed: ['malformed'],
  'not-an-ip': ['replied'],
};

describeHostileReplies('a question to a hostile IP source', {
  maxBytes: MAX_HEADER_BYTES + 2 * 1_024,
  call: async (port, timeoutMs, expected) => {
    const spec = parseSource(`http://127.0.0.1:${port}/`);
    assert.ok('kind' in spec);
    const [source] = createSources([spec], {
      family: 4,
      allow: [cidr('0.0.0.0/0')],
      version: '0.0.0',
      timeoutMs,
    });
    const vote = await source?.ask();
    assert.ok(vote?.kind === 'unknown', 'nothing that it says is believed');
    const verdicts = VERDICTS[vote.error] ?? [];
    return verdicts.find((verdict) => expected.includes(verdict)) ?? verdicts[0] ?? 'replied';
  },
});
