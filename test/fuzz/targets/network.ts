import assert from 'node:assert/strict';
import { isIP, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { findService, readLocation } from '../../../cli/doctor/upnp.ts';
import { parseGatewayMessage } from '../../../host/hints/gateway-messages.ts';
import { parseRouteGet, parseRoutes4, parseRoutes6 } from '../../../host/hints/routes.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { target } from '../target.ts';

const byte = fc.integer({ min: 0, max: 255 });
const numbers = (count: number) => fc.array(byte, { minLength: count, maxLength: count });

/** Datagrams that begin like answers, of any length, and any bytes. */
const datagram = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(0, 2, 1),
      fc.constantFrom(0x80, 0x80, 0x00, 0x81),
      numbers(2),
      numbers(4),
      numbers(4),
    )
    .map((parts) => parts.flat()),
  fc
    .tuple(fc.constantFrom(0, 2), fc.constant(0x80), fc.array(byte, { maxLength: 60 }))
    .map((parts) => parts.flat()),
  fc.array(byte, { maxLength: 1_200 }),
);

const hex = (digits: number) =>
  fc.oneof(
    fc.constantFrom('0'.repeat(digits), 'f'.repeat(digits)),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits }),
  );
const name = fc.oneof(fc.constantFrom('eth0', 'lo', 'ppp0', '*'), fc.string({ maxLength: 20 }));
const line4 = fc
  .tuple(
    name,
    fc.constant('00000000'),
    hex(8),
    fc.constantFrom('0003', '0001', '0203', 'x'),
    fc.constantFrom('0\t0\t100', '0\t0\t-1'),
    hex(8),
  )
  .map((fields) => fields.join('\t'));
const line6 = fc
  .tuple(
    fc.constant('0'.repeat(32)),
    fc.constantFrom('00', '40'),
    hex(32),
    fc.constant('00'),
    hex(32),
    hex(8),
    hex(8),
    hex(8),
    hex(8),
    name,
  )
  .map((fields) => fields.join(' '));
const answerOfRoute = fc
  .tuple(name, fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()))
  .map(([where, gateway]) => `  gateway: ${gateway}\n  interface: ${where}\n`);

const GATEWAY = parseIp('192.168.1.1') ?? assert.fail();
const urlText = fc.oneof(
  fc.constantFrom('http://192.168.1.1:5000/root.xml', 'http://192.168.1.2/', '/ctl', '//other/x'),
  fc.webUrl(),
  fc.string({ maxLength: 30 }),
);
const element = (tag: string, content: fc.Arbitrary<string>) =>
  content.map((text) => `<${tag}>${text}</${tag}>`);
const serviceType = fc.oneof(
  fc.constantFrom(
    'urn:schemas-upnp-org:service:WANIPConnection:1',
    'urn:schemas-upnp-org:service:WANPPPConnection:1',
  ),
  fc.string({ maxLength: 30 }),
);
const description = fc
  .array(
    element(
      'service',
      fc
        .tuple(element('serviceType', serviceType), element('controlURL', urlText))
        .map((parts) => parts.join('')),
    ),
    { maxLength: 3 },
  )
  .map((services) => services.join('\n'));

export const NETWORK = [
  target('gateway', datagram, (bytes) => {
    const message = Uint8Array.from(bytes);
    const state = parseGatewayMessage(message);
    if (state === undefined) return false;
    assert.ok((message[1] ?? 0) & 0x80, 'a question is no answer');
    assert.ok(message.length >= 8 && message.length <= 1_100);
    assert.ok(Number.isInteger(state.epochS) && state.epochS >= 0 && state.epochS < 2 ** 32);
    assert.ok(state.external === undefined || (isIPv4(state.external) && state.protocol === 'NAT-PMP'));
    return true;
  }),

  target('routes', fc.oneof(line4, line6, answerOfRoute, fc.string()), (text) => {
    const routes = [...parseRoutes4(text), ...parseRoutes6(text), ...parseRouteGet(text)];
    for (const route of routes) {
      assert.ok(route.gateway === undefined || isIP(route.gateway) !== 0);
      assert.match(route.interface, /^[^\s/%]{1,32}$/);
      assert.ok(Number.isSafeInteger(route.metric) && route.metric >= 0);
    }
    return routes.length > 0;
  }),

  target('upnp', fc.tuple(urlText, fc.oneof(description, fc.string())), ([location, text]) => {
    const place = readLocation(`HTTP/1.1 200 OK\r\nLocation: ${location}\r\n\r\n`, GATEWAY);
    assert.ok(place === undefined || (place.host === GATEWAY && place.port >= 1 && place.port <= 65_535));
    assert.ok(place === undefined || place.path.startsWith('/'));
    const service = findService(text);
    assert.ok(service === undefined || /^\/[!-~]*$/.test(service.controlPath), 'a path of a request');
    return place !== undefined || service !== undefined;
  }),
];
