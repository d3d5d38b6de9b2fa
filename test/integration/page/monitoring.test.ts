import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { METRIC_NAMES } from '../../../report/metrics.ts';
import { needsTool } from '../../support/needs-tool.ts';

const RULES = fileURLToPath(new URL('../../../docs/alerts.rules.yml', import.meta.url));
const DASHBOARD = fileURLToPath(new URL('../../../docs/grafana-dashboard.json', import.meta.url));

/** Names of ours that an expression uses. */
function metricsIn(text: string): string[] {
  return [...text.matchAll(/\bp2p_\w+/g)].map(([name]) => name);
}

describe('what docs/ has for Prometheus and Grafana', () => {
  test('rules use only what is exported', () => {
    const expressions = [...readFileSync(RULES, 'utf8').matchAll(/expr: (.*)/g)].map(([, text = '']) => text);
    assert.ok(expressions.length >= 8);
    for (const expression of expressions) {
      for (const name of metricsIn(expression)) assert.ok(METRIC_NAMES.includes(name), name);
    }
  });

  test('rules are rules of Prometheus', needsTool('promtool', 'prometheus'), () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /SUCCESS: \d+ rules found/);
  });

  test('the dashboard uses only what is exported, in panels that do not overlap', () => {
    const { panels, title } = JSON.parse(readFileSync(DASHBOARD, 'utf8'));
    assert.equal(title, 'P2P consumer scheduler');
    const taken = new Set<string>();
    for (const { gridPos, targets, title } of panels) {
      for (const { expr } of targets) {
        assert.ok(metricsIn(expr).length > 0, title);
        for (const name of metricsIn(expr)) assert.ok(METRIC_NAMES.includes(name), name);
      }
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !taken.has(`${x},${y}`), `${title} lies over another panel`);
          taken.add(`${x},${y}`);
        }
      }
    }
  });
});
