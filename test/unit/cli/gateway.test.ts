import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeNetwork, type NetworkLook } from '../../../cli/doctor/gateway.ts';
import { findService, readLocation } from '../../../cli/doctor/upnp.ts';
import { loadConfig } from '../../../lib/config.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import { ip } from '../../support/votes.ts';

const SEEN = ip('203.0.113.9');
const GATEWAY = ip('192.168.1.1');
const OWN = { interface: 'eth0', ip: ip('192.168.1.5') };

const configOf = (env: Readonly<Record<string, string>>) =>
  loadConfig({
    LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
    REDIS_URL: 'redis://127.0.0.1:6379',
    ...env,
  });

const judge = (look: NetworkLook, env: Readonly<Record<string, string>> = {}, seen: Ip | undefined = SEEN) =>
  judgeNetwork(look, { seen, config: configOf(env) }).map(
    ({ level, about, says }) => `${level} ${about}: ${says}`,
  );
const telling = (external: string): NetworkLook => ({
  addresses: [OWN],
  gateway: { ip: GATEWAY, state: { protocol: 'NAT-PMP', epochS: 1, external: ip(external) } },
});

describe('the gateway', () => {
  test('that has the address that the sources see is fine', () => {
    assert.deepEqual(judge(telling('203.0.113.9')), [
      'ok gateway: 192.168.1.1 has the external address 203.0.113.9, as the sources see it',
      "ok hints: a host notices a change at once by this machine's interfaces and the gateway by NAT-PMP",
    ]);
  });

  test('that has an address which is not public is behind another NAT, and nobody can call', () => {
    for (const external of ['100.64.3.4', '10.0.0.2', '192.168.0.2']) {
      const [finding] = judge(telling(external));
      assert.match(
        finding ?? '',
        /^warning gateway: .* carrier-grade NAT .* nobody can reach a consumer API here/,
      );
    }
  });

  test('that has another public address is not the one that calls leave by', () => {
    assert.match(judge(telling('8.8.8.8'))[0] ?? '', /^warning gateway: .* calls leave by another router/);
  });

  test('tells by UPnP what it does not tell by NAT-PMP, and where a port is forwarded to', () => {
    const look = (client: string): NetworkLook => ({
      addresses: [OWN],
      gateway: { ip: GATEWAY, upnp: { external: SEEN, forward: { client: ip(client), port: 8_080 } } },
    });
    assert.deepEqual(judge(look('192.168.1.5')).slice(0, 2), [
      'ok gateway: 192.168.1.1 has the external address 203.0.113.9, as the sources see it',
      'ok forward: port 80 is forwarded to this machine, port 8080',
    ]);
    assert.match(
      judge(look('192.168.1.6'))[1] ?? '',
      /^warning forward: port 80 is forwarded to 192\.168\.1\.6, /,
    );
    assert.match(judge(look('192.168.1.5')).at(-1) ?? '', /the gateway speaks neither NAT-PMP nor PCP$/);
  });

  test('is of no interest where this machine has the address itself, and may be absent or silent', () => {
    assert.deepEqual(judge({ addresses: [{ interface: 'ppp0', ip: SEEN }] }), [
      "ok gateway: 203.0.113.9 is on this machine's own interface ppp0",
      "ok hints: a host notices a change at once by this machine's interfaces",
    ]);
    assert.match(
      judge({ addresses: [], gateway: { ip: GATEWAY } })[0] ?? '',
      /^ok gateway: .* nothing to compare$/,
    );
    assert.deepEqual(judge({ addresses: [] }, { IP_HINTS: 'none' }), [
      'ok hints: none: a change is noticed by the schedule alone',
    ]);
  });
});

test('BIND_ADDRESS is an address of this machine, of the family of our address', () => {
  const look: NetworkLook = { addresses: [OWN] };
  const bindFault = 'BIND_ADDRESS 203.0.113.250 is no address of this machine.';
  assert.equal(
    judge({ ...look, bindFault }, { BIND_ADDRESS: '203.0.113.250' })[0],
    `failure bind: ${bindFault}`,
  );
  assert.equal(
    judge(look, { BIND_ADDRESS: '192.168.1.5' })[0],
    'ok bind: calls leave from 192.168.1.5, as BIND_ADDRESS says',
  );
  const other = judge(look, { BIND_ADDRESS: '192.168.1.5', IP_FAMILY: '6' })[0];
  assert.match(other ?? '', /^warning bind: .* no IPv6 address/);
});

describe('a description by UPnP', () => {
  test('is asked for at the gateway alone, whatever an answer names', () => {
    const answer = (location: string) =>
      `HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nLOCATION: ${location}\r\n\r\n`;
    assert.deepEqual(readLocation(answer('http://192.168.1.1:5000/rootDesc.xml'), GATEWAY), {
      host: '192.168.1.1',
      port: 5_000,
      path: '/rootDesc.xml',
    });
    for (const elsewhere of [
      'http://192.168.1.2:5000/',
      'https://192.168.1.1/',
      'http://router/',
      'nonsense',
      '',
    ]) {
      assert.equal(readLocation(answer(elsewhere), GATEWAY), undefined, elsewhere);
    }
  });

  test('names the service that knows of addresses, and a path on the gateway', () => {
    const service = (type: string, control: string) =>
      `<service><serviceType>${type}</serviceType><controlURL>${control}</controlURL></service>`;
    const wanted = 'urn:schemas-upnp-org:service:WANIPConnection:1';
    assert.deepEqual(
      findService(`<root>${service('urn:other:1', '/o')}${service(wanted, '/ctl/IPConn')}</root>`),
      {
        type: wanted,
        controlPath: '/ctl/IPConn',
      },
    );
    assert.equal(findService(service(wanted, 'http://evil.example/x'))?.controlPath, '/x');
    assert.equal(findService('<root/>'), undefined);
  });
});
