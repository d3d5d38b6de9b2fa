import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createReplyParser, MAX_HEADER_BYTES, type Parsed } from '../../../lib/http/reply-parser.ts';
import { cutAt, cuts, damagedReply, readByNode, wellFormedReply } from '../../support/http-replies.ts';

const MAX_BODY_BYTES = 1_000;

function read(parts: readonly Buffer[]): Parsed {
  const parser = createReplyParser(MAX_BODY_BYTES);
  for (const part of parts) {
    const parsed = parser.push(part);
    if (parsed !== undefined) return parsed;
  }
  return parser.end();
}

const inWords = (parsed: Parsed) =>
  parsed.kind === 'failed'
    ? parsed
    : { status: parsed.status, body: parsed.body.toString('latin1'), retryAfter: parsed.retryAfter };

test('a well-formed reply is read as what it is, wherever the network cuts it', () => {
  fc.assert(
    fc.property(wellFormedReply, cuts, ({ text, status, body, retryAfter }, places) => {
      assert.deepEqual(inWords(read(cutAt(text, places))), { status, body, retryAfter });
    }),
    { numRuns: 2_000 },
  );
});

test('a well-formed reply that breaks off before its end is none', () => {
  fc.assert(
    fc.property(wellFormedReply, fc.nat(1_000), ({ text, body, untilClose }, at) => {
      // What only the connection's end ends is whole wherever it ends, once the head is there.
      const ended = at % (untilClose ? text.length - body.length : text.length);
      const parsed = read(cutAt(text.slice(0, ended), []));
      assert.equal(parsed.kind === 'failed' && parsed.error, 'reset');
    }),
    { numRuns: 2_000 },
  );
});

test('whatever is taken for a reply, node:http takes for the very same one', async () => {
  let taken = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(damagedReply, cuts, async (text, places) => {
      const parsed = read(cutAt(text, places));
      assert.deepEqual(inWords(parsed), inWords(read(cutAt(text, []))), 'cuts make no difference');
      if (parsed.kind === 'failed') {
        refused += 1;
        return;
      }
      taken += 1;
      assert.deepEqual(inWords(parsed), await readByNode(cutAt(text, places), MAX_HEADER_BYTES));
    }),
    { numRuns: 3_000 },
  );
  assert.ok(taken > refused / 20 && refused > taken / 20, `${taken} taken, ${refused} refused`);
});
