import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkConfiguration } from '../../../cli/doctor/configuration.ts';
import { checkSchedules } from '../../../cli/doctor/schedule.ts';
import { loadConfig } from '../../../lib/config.ts';

const REQUIRED = { LOCAL_UUID: '5e1f0000-0000-4000-8000-000000000001', REDIS_URL: 'redis://127.0.0.1' };

test('no variable that .env.example explains is taken for a misspelt one', () => {
  const page = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');
  const names = [...page.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name ?? '');
  assert.ok(names.length > 25);
  const env = { ...Object.fromEntries(names.map((name) => [name, 'x'])) };
  const findings = checkConfiguration(loadConfig(REQUIRED), { env, file: undefined, origin: '' });
  assert.deepEqual(
    findings.map(({ level, says }) => [level, says]),
    [['ok', 'every variable is usable']],
  );
});

test('rounds that come at another pace than SYNC_INTERVAL_MS says are a warning, one late round or a few restarts are not', () => {
  const round = (at: number) => ({ at }) as Parameters<typeof checkSchedules>[2][number];
  const judged = (...minutes: number[]) =>
    checkSchedules(
      loadConfig(REQUIRED),
      {},
      minutes.map((minute) => round(minute * 60_000)),
    )[0]?.level;
  assert.equal(judged(100, 95, 90, 85, 80, 75), 'ok');
  assert.equal(judged(100, 90, 85, 80, 75, 70), 'ok', 'one late round');
  assert.equal(judged(100, 90, 80, 70, 60, 50), 'warning');
  assert.equal(judged(100, 99, 98, 97, 96, 95), 'warning');
  assert.equal(judged(100, 99.9, 99.8, 94.8, 89.8, 84.8, 79.8), 'ok', 'the host was started three times');
  assert.equal(judged(100, 99, 98), 'ok', 'three rounds are no habit');
  assert.equal(judged(100), 'ok');
});
