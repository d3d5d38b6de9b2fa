import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COMMANDS } from '../../../cli/commands.ts';
import { faultsOfText, p2p } from '../../integration/cli/harness.ts';

describe('the command line', () => {
  test('is refused with exit code 2 and a word about the help', async () => {
    for (const [argv, said] of [
      [[], /Which command\?/],
      [['nonsense'], /no command "nonsense"/],
      [['\u001b[31m'], /no command "\\u\{1b\}\[31m"/],
      [['status', '--nonsense'], /^There is no option --nonsense\.\nSee: help status$/m],
      [['status', '-x'], /^There is no option -x\./],
      [['status', '--all=yes'], /^--all takes no value\./],
      [['consumers', '--limit'], /^--limit needs a value\./],
      [['consumers', '--limit', '-1'], /^--limit needs a value\. .* so: --limit=-x\.$/m],
      [['status', '--ip', 'x'], /status has no option --ip/],
      [['status', 'extra'], /status takes no "extra"/],
      [['consumers', 'drop'], /consumers takes/],
      [['consumers', 'add', 'only-one'], /consumers takes/],
      [['notify', '--ip'], /^--ip needs a value\./],
      [['notify', '--ip', 'x'], /^--ip must be an IP address/],
      [['notify', '--ip', '203.0.113.7:80', '--yes'], /^--ip must be an IP address, without a port/],
      [['notify', '--id', 'x'], /^--id does nothing without --ip\./],
      [['sync', '--region', 'eu-west-1'], /^--region does nothing without --stage\./],
      [['sync', '--limit', '2'], /^--limit does nothing without --dry-run\./],
      [['check', '--stage', 'prod', '--dry-run'], /^--dry-run does not go with --stage\./],
      [['consumers', '--replace'], /^consumers list has no option --replace\./],
      [['producers', 'remove', 'x', '--limit', '1'], /^producers remove has no option --limit\./],
      [['verify', 'consumer', '8.8.8.8', '--prefix', 'x'], /^--prefix does nothing without --redis\./],
      [['verify', 'consumer', '8.8.8.8', '--redis', 'x'], /^--redis must be a URL/],
      [['page', '--port', '99999'], /^--port must be a whole number from 1 to 65535\./],
      [['man', '--all'], /^man has no option --all\./],
    ] as const) {
      const { code, out, err } = await p2p(argv);
      assert.equal(code, 2, argv.join(' '));
      assert.match(err, said);
      assert.equal(out, '');
      assert.deepEqual(faultsOfText(err), []);
    }
  });

  test('answers programs in JSON also when it fails', async () => {
    const run = await p2p(['nonsense', '--json']);
    assert.deepEqual(run.json(), {
      error: { kind: 'usage', message: 'There is no command "nonsense". `help` lists them.' },
    });
    for (const command of ['host', 'page', 'completion', 'man']) {
      assert.match((await p2p([command, '--json'])).err, new RegExp(`^${command} has no option --json`));
      assert.doesNotMatch((await p2p(['help', command])).out, /--json/);
    }
    const unset = await p2p(['status', '--json']);
    assert.equal(unset.code, 3);
    assert.match(JSON.stringify(unset.json()), /"kind":"configuration".*LOCAL_UUID is required/);
  });

  test('explains itself, and each command, within 80 columns', async () => {
    const { code, out } = await p2p(['help']);
    assert.equal(code, 0);
    for (const { name } of COMMANDS) {
      assert.ok(out.includes(`\n  ${name} `), `help lists ${name}`);
      const asked = await p2p(['help', name]);
      const flagged = await p2p([name, '--help']);
      assert.equal(asked.code, 0);
      assert.equal(asked.out, flagged.out);
      assert.deepEqual(faultsOfText(asked.out), []);
    }
    assert.deepEqual(faultsOfText(out), []);
  });

  test('tells the version', async () => {
    assert.match((await p2p(['version'])).out, /^p2p-consumer-scheduler \d/);
    assert.equal((await p2p(['version', '--json'])).json().node, process.versions.node);
  });

  test('names a file that it cannot read', async () => {
    const { code, err } = await p2p(['status', '--env-file', '/nowhere/at/all']);
    assert.equal(code, 3);
    assert.match(err, /\/nowhere\/at\/all cannot be read: there is none/);
  });
});
