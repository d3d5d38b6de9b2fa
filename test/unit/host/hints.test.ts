import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ASK_EXTERNAL_ADDRESS,
  askForEpoch,
  type GatewayState,
  hasRestarted,
  parseGatewayMessage,
} from '../../../host/hints/gateway-messages.ts';
import {
  ASK_EVERY_MS,
  type GatewayMemory,
  judgeGateway,
  LEFT_ALONE_MS,
} from '../../../host/hints/gateway-watch.ts';
import { bindAddressFault, localAddresses } from '../../../host/hints/interfaces.ts';
import { chooseRoute, parseRouteGet, parseRoutes4, parseRoutes6 } from '../../../host/hints/routes.ts';
import { ip } from '../../support/votes.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('what a gateway says', () => {
  test('is its epoch and its external address over NAT-PMP, byte by byte as RFC 6886 has it', () => {
    assert.deepEqual(ASK_EXTERNAL_ADDRESS, hex('00 00'));
    assert.deepEqual(parseGatewayMessage(hex('00 80 0000 00000e10 cb007107')), {
      protocol: 'NAT-PMP',
      epochS: 3_600,
      external: '203.0.113.7',
    });
  });

  test('has no external address while its line is down', () => {
    const state = { protocol: 'NAT-PMP', epochS: 5 };
    for (const message of [
      '00 80 0003 00000005',
      '00 80 0003 00000005 00000000',
      '00 80 0000 00000005 00000000',
    ]) {
      assert.deepEqual(parseGatewayMessage(hex(message)), state);
    }
  });

  test('is its epoch alone over PCP, whatever the result, byte by byte as RFC 6887 has it', () => {
    assert.deepEqual(
      askForEpoch(ip('192.168.1.5')),
      hex('02 00 0000 00000000 00000000000000000000ffffc0a80105'),
    );
    assert.deepEqual(
      askForEpoch(ip('2001:db8::5')),
      hex('02 00 0000 00000000 20010db8000000000000000000000005'),
    );
    for (const result of ['00', '01', '0c']) {
      const message = hex(`02 80 00 ${result} 00000000 0000002a 000000000000000000000000`);
      assert.deepEqual(parseGatewayMessage(message), { protocol: 'PCP', epochS: 42 });
    }
  });

  test('is nothing where it is no answer, too short or too long', () => {
    for (const message of [
      '',
      '00',
      '00 00',
      '00 80 0000 00000e10',
      '00 80 0000 00000e10 cb007107 00',
      '00 81 0000 00000e10 cb007107',
      '01 80 0000 00000e10 cb007107',
      '02 00 0000 00000000 0000002a 000000000000000000000000',
      '02 80 0000 00000000 0000002a 0000000000000000000000',
      `02 80 0000 00000000 0000002a ${'00'.repeat(1_092)}`,
    ]) {
      assert.equal(parseGatewayMessage(hex(message)), undefined, message);
    }
  });

  test('shows that it has started anew where its epoch is behind a slow clock', () => {
    const at = (epochS: number): GatewayState => ({ protocol: 'NAT-PMP', epochS });
    assert.equal(hasRestarted(at(1_000), at(1_010), 10_000), false);
    // An eighth too slow, and 2 s.
    assert.equal(hasRestarted(at(1_000), at(1_007), 10_000), false);
    assert.equal(hasRestarted(at(1_000), at(1_006), 10_000), true);
    assert.equal(hasRestarted(at(1_000), at(0), 10_000), true);
    assert.equal(hasRestarted(at(1_000), { protocol: 'PCP', epochS: 0 }, 10_000), false, 'two clocks');
  });
});

describe('the default gateway', () => {
  test('is found in Linux’s table, the lowest metric first', () => {
    const routes = parseRoutes4(
      [
        'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
        'wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
        'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
        'eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
        'ppp0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0',
        'eth1\t00000000\t0103A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0',
        '*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0',
        'nonsense',
        '',
      ].join('\n'),
    );
    assert.deepEqual(routes, [
      { interface: 'wlan0', gateway: '192.168.2.1', metric: 600 },
      { interface: 'eth0', gateway: '192.168.1.1', metric: 100 },
      { interface: 'ppp0', metric: 700 },
    ]);
    assert.equal(chooseRoute(routes)?.gateway, '192.168.1.1');
    assert.equal(chooseRoute(routes, 'wlan0')?.gateway, '192.168.2.1', 'that of BIND_ADDRESS');
    assert.equal(chooseRoute(routes, 'eth7')?.gateway, '192.168.1.1');
    assert.equal(chooseRoute([]), undefined);
  });

  test('is found in Linux’s table of IPv6', () => {
    const zero = '0'.repeat(32);
    const line = (next: string, flags: string, name: string, metric = '00000400') =>
      `${zero} 00 ${zero} 00 ${next} ${metric} 00000001 00000000 ${flags}     ${name}`;
    const routes = parseRoutes6(
      [
        line('fe800000000000000000000000000001', '00450003', 'eth0'),
        line(zero, '00200200', 'lo', 'ffffffff'),
        `fe800000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     eth0`,
        'nonsense',
      ].join('\n'),
    );
    assert.deepEqual(routes, [{ interface: 'eth0', gateway: 'fe80::1', metric: 0x400 }]);
  });

  test('is found in what macOS answers', () => {
    const answer = `   route to: default\ndestination: default\n       mask: default\n    gateway: 192.168.1.1\n  interface: en0\n      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>\n`;
    assert.deepEqual(parseRouteGet(answer), [{ interface: 'en0', gateway: '192.168.1.1', metric: 0 }]);
    assert.deepEqual(parseRouteGet(answer.replace('192.168.1.1', 'fe80::1%en0')), [
      { interface: 'en0', gateway: 'fe80::1', metric: 0 },
    ]);
    assert.deepEqual(parseRouteGet('route: writing to routing socket: not in table\n'), []);
  });
});

/** What comes of answers of one gateway, 10 s apart. `none` is no answer, a number an epoch without address. */
function judge(
  answers: readonly (string | number | undefined)[],
  gateway = (_index: number) => '192.168.1.1 eth0',
) {
  let memory: GatewayMemory | undefined;
  return answers.map((answer, index) => {
    const epochS = typeof answer === 'number' ? answer : 1_000 + index * 10;
    const state: GatewayState | undefined =
      answer === undefined
        ? undefined
        : { protocol: 'NAT-PMP', epochS, ...(typeof answer === 'string' && { external: ip(answer) }) };
    const news = judgeGateway(memory, gateway(index), state, index * ASK_EVERY_MS);
    memory = news.memory;
    return news;
  });
}
const A = '203.0.113.1';
const B = '203.0.113.2';
const hintsOf = (news: ReturnType<typeof judge>) => news.map(({ hint }) => hint);

describe('a gateway', () => {
  test('gives a hint when it has another external address', () => {
    assert.deepEqual(hintsOf(judge([A, A, B, B])), [
      undefined,
      undefined,
      'another external address',
      undefined,
    ]);
  });

  test('gives none while it has no address, nor when it is back with the same one', () => {
    assert.deepEqual(hintsOf(judge([A, 1_010, 1_020, A])), Array(4).fill(undefined));
    assert.deepEqual(hintsOf(judge([A, 1_010, 1_020, B])).at(-1), 'another external address');
  });

  test('gives one when it has started anew, or is another one', () => {
    assert.deepEqual(hintsOf(judge([1_000, 1_010, 3])).at(-1), 'the gateway has started anew');
    const other = judge([A, A, A], (index) => (index < 2 ? '192.168.1.1 eth0' : '192.168.1.1 wlan0'));
    assert.deepEqual(hintsOf(other), [undefined, undefined, 'another gateway']);
  });

  test('that never answers is left alone for an hour after three questions', () => {
    const news = judge([undefined, undefined, undefined]);
    assert.deepEqual(
      news.map(({ askAgainMs }, index) => askAgainMs - index * ASK_EVERY_MS),
      [ASK_EVERY_MS, ASK_EVERY_MS, LEFT_ALONE_MS],
    );
    assert.deepEqual(
      news.map(({ givenUp }) => givenUp),
      [false, false, true],
    );
  });

  test('that has answered before is waited for through a restart of some minutes', () => {
    const news = judge([A, ...Array(30).fill(undefined), B]);
    assert.ok(news.every(({ givenUp }) => !givenUp));
    assert.equal(news.at(-1)?.hint, 'another external address');
    assert.equal(judge([A, ...Array(60).fill(undefined)]).at(-1)?.givenUp, true);
  });

  test('that is another one is asked anew, however long the one before was silent', () => {
    const news = judge(
      [undefined, undefined, undefined, undefined],
      (index) => `192.168.1.${index < 3 ? 1 : 2} eth0`,
    );
    assert.equal(news.at(-1)?.givenUp, false);
  });
});

const at = (address: string, internal = false) => ({
  address,
  netmask: '',
  mac: '',
  internal,
  cidr: null,
  ...(address.includes(':') ? { family: 'IPv6' as const, scopeid: 0 } : { family: 'IPv4' as const }),
});
const INTERFACES = {
  lo: [at('127.0.0.1', true), at('::1', true)],
  eth0: [at('192.168.1.5'), at('2001:db8::5'), at('fe80::5'), at('169.254.3.4')],
  ppp0: [at('100.64.0.9')],
};

describe('the addresses of this machine', () => {
  test('are those of the family at which others may reach it', () => {
    assert.deepEqual(
      localAddresses(4, INTERFACES).map(({ ip: address }) => address),
      ['100.64.0.9', '192.168.1.5'],
    );
    assert.deepEqual(localAddresses(6, INTERFACES), [{ interface: 'eth0', ip: '2001:db8::5' }]);
  });

  test('have BIND_ADDRESS among them, or the fault names those that there are', () => {
    for (const own of ['192.168.1.5', '2001:db8::5', '127.0.0.1', 'fe80::5']) {
      assert.equal(bindAddressFault(ip(own), INTERFACES), undefined);
    }
    assert.equal(
      bindAddressFault(ip('192.168.1.6'), INTERFACES),
      'BIND_ADDRESS 192.168.1.6 is no address of this machine. It has 100.64.0.9, 192.168.1.5.',
    );
    assert.equal(
      bindAddressFault(ip('2001:db8::6'), {}),
      'BIND_ADDRESS 2001:db8::6 is no address of this machine. It has none of IPv6 now.',
    );
  });
});
