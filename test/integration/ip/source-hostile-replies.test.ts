import assert from 'node:assert/strict';
import { MAX_HEADER_BYTES } from '../../../lib/http/reply-parser.ts';
import { parseSource } from '../../../lib/ip/source-spec.ts';
import { createSources } from '../../../lib/ip/sources.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { describeHostileReplies } from '../../support/hostile-suite.ts';

/** What a whole reply of a hostile source comes to: its status or its body is not what we asked for. */
const NOT_AN_ANSWER: readonly string[] = ['status', 'not-an-ip'];

describeHostileReplies('a question to a hostile IP source', {
  maxBytes: MAX_HEADER_BYTES + 2 * 1_024,
  call: async (port, timeoutMs) => {
    const spec = parseSource(`http://127.0.0.1:${port}/`);
    assert.ok('kind' in spec);
    const [source] = createSources([spec], {
      family: 4,
      allow: [cidr('0.0.0.0/0')],
      timeoutMs,
    });
    const vote = await source?.ask();
    assert.ok(vote?.kind === 'unknown', 'nothing that it says is believed');
    return NOT_AN_ANSWER.includes(vote.error) ? 'replied' : vote.error;
  },
});
