import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { policyTable, readDeployPolicy } from '../../cloud/policy.ts';

const statements = await readDeployPolicy();
const SERVICE = 'p2p-consumer-scheduler';

describe('the policy of who deploys', () => {
  test('is the table of docs/DEPLOYING.md', async () => {
    const docs = await readFile(new URL('../../../docs/DEPLOYING.md', import.meta.url), 'utf8');
    const [, table] = /<!-- policy -->\n\n((?:\|.*\n)+)/.exec(docs) ?? [];
    assert.equal(table?.trimEnd(), policyTable(statements));
  });

  test('names resources of this service, or of its secrets, but for what AWS knows no resource for', () => {
    for (const { Sid, Resource } of statements) {
      if (Sid === 'WithoutResource' || Sid === 'Vpc') {
        assert.deepEqual(Resource, ['*'], Sid);
        continue;
      }
      for (const arn of Resource) {
        assert.ok(arn.includes(`${SERVICE}-*`) || arn.endsWith(':secret:p2p/*'), `${Sid}: ${arn}`);
      }
    }
  });

  test('has no wildcard over a whole service, and none of any action for all resources', () => {
    for (const { Sid, Action, Resource } of statements) {
      for (const action of Action) {
        assert.doesNotMatch(action, /:\*$/, Sid);
        if (Resource.includes('*')) assert.doesNotMatch(action, /\*/, Sid);
      }
    }
  });
});
