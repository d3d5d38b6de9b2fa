import { MAX_HEADER_BYTES } from '../../../lib/http/reply-parser.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createPostToPeer, MAX_REPLY_BYTES } from '../../../lib/peers/post.ts';
import type { Verdict } from '../../support/hostile-server.ts';
import { describeHostileReplies } from '../../support/hostile-suite.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr('127.0.0.0/8')] });
const post = createPostToPeer({ policy });

describeHostileReplies('a call to a hostile peer', {
  maxBytes: MAX_HEADER_BYTES + 2 * MAX_REPLY_BYTES,
  call: async (port, timeoutMs) => {
    const parsed = policy.parse(`127.0.0.1:${port}`);
    if ('refused' in parsed) throw new Error(parsed.refused);
    const { address } = parsed;
    const outcome = await post({ address, path: '/sync', body: '{}', timeoutMs });
    return outcome.kind === 'replied' ? 'replied' : (outcome.error as Verdict);
  },
});
