import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSION } from '../../lib/version.ts';
import packageJson from '../../package.json' with { type: 'json' };

test('the version is the one of package.json', () => {
  assert.equal(VERSION, packageJson.version);
});
