import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { needsTool } from '../support/needs-tool.ts';
import { ROOT } from '../support/processes.ts';
import { redisForSuite } from '../support/redis.ts';
import { OWN_UUID } from '../support/report-states.ts';

const PAGES = ['README.md', 'SECURITY.md', ...readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`)];

/** The shell blocks of a page, as they stand. */
function blocksOf(page: string): string[] {
  if (!page.endsWith('.md')) return [];
  const text = readFileSync(`${ROOT}${page}`, 'utf8');
  return [...text.matchAll(/```(?:sh|bash)\n([\s\S]*?)```/g)].map(([, block = '']) => block);
}

describe('the shell blocks of README and docs', needsTool('bash'), () => {
  const testRedis = redisForSuite();

  test('are shell, and hold no <placeholder> that a shell takes for a redirection', () => {
    let count = 0;
    for (const page of PAGES) {
      for (const block of blocksOf(page)) {
        count += 1;
        const { status, stderr } = spawnSync('bash', ['-n'], { input: block, encoding: 'utf8' });
        assert.equal(status, 0, `${page}: ${block}\n${stderr}`);
        assert.doesNotMatch(
          block.replace(/'[^']*'|"[^"]*"/g, '""').replace(/#.*$/gm, ''),
          /<[a-z][^>\n]*>/i,
          page,
        );
      }
    }
    assert.ok(count > 20, `${count} blocks`);
  });

  test('name no npm script that is not there', () => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    for (const page of PAGES) {
      for (const [, name = ''] of blocksOf(page)
        .join('\n')
        .matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)) {
        assert.ok(Object.hasOwn(scripts, name), `${page}: npm run ${name}`);
      }
    }
  });

  test('add the first consumer and producer, as pasted', async () => {
    const block =
      blocksOf('README.md').find((text) => text.includes('p2p -- consumers add')) ?? assert.fail();
    const { url, token } = testRedis();
    const shell = spawn('bash', ['-e', '-c', block], {
      cwd: ROOT,
      env: {
        ...process.env,
        LOCAL_ENV_FILE: '',
        LOCAL_UUID: OWN_UUID,
        REDIS_URL: url,
        REDIS_TOKEN: token ?? '',
        PEER_ALLOW_CIDRS: '198.51.100.0/24',
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    assert.deepEqual(await once(shell, 'close'), [0, null]);
    assert.deepEqual(await testRedis().command('HGETALL', '{p2p}:consumers'), [
      '7d444840-9dc0-41d1-b245-5ffdce74fad2',
      '198.51.100.7',
    ]);
    assert.deepEqual(await testRedis().command('HGETALL', '{p2p}:producers'), [
      '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55',
      '198.51.100.9:8080',
    ]);
  });
});
