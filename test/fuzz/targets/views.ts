import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeState } from '../../../host/alerts/state.ts';
import { loadConfig } from '../../../lib/config.ts';
import { parseRegister } from '../../../lib/ip/register.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { statusPage } from '../../../page/view/page.ts';
import type { ConsumerFacts } from '../../../report/consumers.ts';
import { decodeDays } from '../../../report/days.ts';
import { reportJson } from '../../../report/json.ts';
import { metricsText } from '../../../report/metrics.ts';
import { consumerRow } from '../../../report/peers/consumer-row.ts';
import { producerRow } from '../../../report/peers/producer-row.ts';
import { readChanges } from '../../../report/read/changes.ts';
import { readRounds } from '../../../report/read/rounds.ts';
import { reportOf } from '../../../report/report.ts';
import { harmlessJson } from '../../../report/text/escape.ts';
import { anyText, FUZZ_NOW_MS, time, uuid } from '../../support/arbitraries.ts';
import { target } from '../target.ts';

const { localUuid } = loadConfig({
  LOCAL_UUID: '5e1f0000-0000-4000-8000-000000000001',
  REDIS_URL: 'redis://127.0.0.1',
});
const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const markup = fc.constantFrom(
  '<script>x</script>',
  '"><img src=x onerror=y>',
  "' onload='z",
  '</style><b>',
  '&lt;',
  '`<i>`',
);
const text = fc.oneof(anyText, markup, uuid, fc.ipV4());
const entry = fc
  .dictionary(
    fc.constantFrom(
      'from',
      'to',
      'epoch',
      'at',
      'told',
      'of',
      'source',
      'votes',
      'round',
      'shard',
      'summary',
    ),
    fc.oneof(text, time.map(String)),
  )
  .map((fields) => ['1-0', Object.entries(fields).flat()]);

/** States as they are kept, some with one field that cannot be. */
const verdict = fc.constantFrom('ok', 'attention', 'unknown', 'well');
const alertState = fc
  .record({
    told: verdict,
    toldAt: time,
    seen: verdict,
    seenAt: time,
    epoch: time,
    queue: fc.array(fc.record({ kind: fc.constantFrom('address', 'other'), to: text, at: time }), {
      maxLength: 2,
    }),
    sent: fc.array(time, { maxLength: 60 }),
  })
  .map((state) => JSON.stringify(state));

/** The tags of the page. None other may come out, whatever a value holds. */
const TAGS = new Set(
  'html head meta title link style body svg defs pattern rect circle path p span code a main header div h1 h2 h3 ul ol li nav section b dl dt dd time small figure figcaption details summary footer'.split(
    ' ',
  ),
);

export const VIEWS = [
  target(
    'report-views',
    fc.record({
      uuid: text,
      address: text,
      health: text,
      delivery: text,
      entries: fc.array(entry, { maxLength: 4 }),
      register: fc.array(fc.tuple(text, text), { maxLength: 4 }),
      days: text,
      refused: text,
    }),
    ({ uuid, address, health, delivery, entries, register, days, refused }) => {
      const row = consumerRow(uuid, address, health, {
        policy,
        localUuid,
        intervalMs: 300_000,
        nowMs: FUZZ_NOW_MS,
      });
      const producer = producerRow(
        { uuid, address, json: delivery, score: 1 },
        { policy, epoch: undefined, nowMs: FUZZ_NOW_MS },
      );
      const parsed = parseRegister(['current', '203.0.113.1', 'epoch', '5', ...register.flat()]);
      const kept = decodeDays(days);
      const consumers: ConsumerFacts = {
        known: 1,
        heardOf: 0,
        refused: { [refused]: 1 },
        worst: row.refused === undefined ? [{ ...row, ...(kept === undefined ? {} : { days: kept }) }] : [],
        unusable: row.refused === undefined ? [] : [row],
      };
      const report = reportOf({
        nowMs: FUZZ_NOW_MS,
        uuid: localUuid,
        syncEveryMs: 300_000,
        checkEveryMs: 60_000,
        quorum: 2,
        operators: 3,
        begun: true,
        register: parsed.register,
        poisoned: parsed.poisoned,
        wrongTypes: [address],
        consumers,
        rounds: readRounds(entries, FUZZ_NOW_MS),
        syncRuns: false,
        producers: { known: 1, due: 1, overdue: 0, first: [producer] },
        notifyRuns: false,
        changes: readChanges(entries),
      });
      const page = statusPage({ report, wallMs: FUZZ_NOW_MS, refreshSeconds: 15 });
      for (const [, tag = ''] of page.matchAll(/<\/?([^\s/>]*)/g)) {
        assert.ok(tag === '!doctype' || TAGS.has(tag), `the tag ${tag}`);
      }
      const tags = page.replace(/<style>[\s\S]*?<\/style>/, '').match(/<[a-z][^>]*>/g) ?? [];
      for (const each of tags)
        assert.doesNotMatch(each.replace(/"[^"]*"/g, '""'), /\s(?:on\w+|style|src|srcdoc|formaction)\s*=/i);
      assert.doesNotMatch(page.replaceAll('\n', ''), /\p{C}/u);
      for (const line of metricsText(report).trimEnd().split('\n')) {
        assert.match(
          line,
          /^(?:# (?:HELP|TYPE) p2p_\w+ .+|p2p_\w+(?:\{\w+="[\w.-]*"\})? -?\d+(?:\.\d+)?(?:e[+-]\d+)?)$/,
        );
      }
      JSON.parse(harmlessJson(reportJson(report)));
      return row.refused === undefined || address.length > 0;
    },
  ),
  target('alert-state', fc.oneof(text, fc.json(), alertState), (json) => {
    const state = decodeState(json);
    if (state === undefined) return false;
    assert.ok(state.queue.length <= 50 && state.sent.length <= 50);
    assert.deepEqual(decodeState(JSON.stringify(state)), state, 'what was read is kept as it is');
    return true;
  }),
];
