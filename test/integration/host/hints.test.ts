import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { EventEmitter, on, once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { createBootClock } from '../../../host/clock.ts';
import { askGateway, type Gateway } from '../../../host/hints/ask-gateway.ts';
import {
  ANNOUNCEMENT_PORT,
  ASK_EXTERNAL_ADDRESS,
  GATEWAY_PORT,
} from '../../../host/hints/gateway-messages.ts';
import { type Surroundings, watchForHints } from '../../../host/hints/hints.ts';
import { type Host, systemHost } from '../../../lib/host.ts';
import { ip } from '../../support/votes.ts';
import { configOf, keepLog } from './harness.ts';

const TIMEOUT = { timeout: 30_000 };
const A = '203.0.113.1';
const B = '203.0.113.2';

const natPmp = (external: string, epochS = 100) =>
  Buffer.from([0, 0x80, 0, 0, 0, 0, epochS >> 8, epochS & 0xff, ...external.split('.').map(Number)]);
const pcp = (epochS = 100) =>
  Buffer.from([2, 0x80, ...Array(8).fill(0), epochS >> 8, epochS & 0xff, ...Array(12).fill(0)]);

type Answer = (question: Buffer, send: (message: Buffer) => void, from: RemoteInfo) => void;

/** A gateway on a loopback address of its own. It announces to the group, on loopback: every listener gets its copy. */
async function startGateway(t: TestContext, address: string, answer: Answer) {
  const socket = createSocket('udp4');
  let questions = 0;
  let current = answer;
  socket.on('message', (message, from) => {
    questions += 1;
    current(message, (reply) => socket.send(reply, from.port, from.address), from);
  });
  socket.bind(GATEWAY_PORT, address);
  await once(socket, 'listening');
  socket.setMulticastInterface('127.0.0.1');
  t.after(() => void socket.close());
  return {
    gateway: { ip: ip(address), interface: 'lo', family: 4 } satisfies Gateway,
    get questions() {
      return questions;
    },
    answer(next: Answer) {
      current = next;
    },
    announce: (message: Buffer) => socket.send(message, ANNOUNCEMENT_PORT, '224.0.0.1'),
  };
}

const tells =
  (external: string, epochS?: number): Answer =>
  (question, send) => {
    if (question.equals(ASK_EXTERNAL_ADDRESS)) send(natPmp(external, epochS));
  };
const ask = (gateway: Gateway) => askGateway(gateway, new AbortController().signal);

describe('a gateway is asked', TIMEOUT, () => {
  test('for its external address by NAT-PMP', async (t) => {
    const { gateway } = await startGateway(t, '127.0.71.1', tells(A));
    assert.deepEqual(await ask(gateway), { protocol: 'NAT-PMP', epochS: 100, external: A });
  });

  test('for its epoch by PCP, which says from where it is asked', async (t) => {
    const from: string[] = [];
    const { gateway } = await startGateway(t, '127.0.71.2', (question, send, { address }) => {
      if (question[0] !== 2) return;
      from.push(question.subarray(20, 24).join('.'), address);
      send(pcp(7));
    });
    assert.deepEqual(await ask({ ...gateway, bindAddress: ip('127.0.0.9') }), { protocol: 'PCP', epochS: 7 });
    assert.deepEqual(from.slice(0, 2), ['127.0.0.9', '127.0.0.9']);
  });

  test('and the more that NAT-PMP tells is waited for where it answers later', async (t) => {
    const { gateway } = await startGateway(t, '127.0.71.3', (question, send) => {
      if (question[0] === 2) return send(pcp());
      setImmediate(() => send(natPmp(A)));
    });
    assert.equal((await ask(gateway))?.external, A);
  });

  test('again where a datagram is lost', async (t) => {
    let asked = 0;
    const { gateway } = await startGateway(t, '127.0.71.4', (question, send, from) => {
      asked += 1;
      if (asked > 2) tells(A)(question, send, from);
    });
    assert.equal((await ask(gateway))?.external, A);
  });

  test('in vain where nobody listens, or nonsense comes back', async (t) => {
    assert.equal(await ask({ ip: ip('127.0.71.5'), interface: 'lo', family: 4 }), undefined);
    const { gateway } = await startGateway(t, '127.0.71.6', (_question, send) => {
      for (let n = 0; n < 1_000; n++) send(Buffer.from('nonsense'));
    });
    assert.equal(await ask(gateway), undefined);
  });

  test('and nobody else is listened to', async (t) => {
    const liar = createSocket('udp4');
    liar.bind(0, '127.0.71.8');
    await once(liar, 'listening');
    t.after(() => void liar.close());
    const { gateway } = await startGateway(t, '127.0.71.7', (question, send, from) => {
      liar.send(natPmp(B), from.port, from.address, () => tells(A)(question, send, from));
    });
    assert.equal((await ask(gateway))?.external, A);
  });
});

/** The watch in surroundings that a test changes. It looks around whenever the test says `look`. */
function startWatch(
  t: TestContext,
  gateway: string | undefined,
  env: Readonly<Record<string, string>> = {},
  first?: Partial<Surroundings>,
) {
  const events = new EventEmitter();
  const why: string[] = [];
  const kept = keepLog();
  const ending = new AbortController();
  let around: Surroundings | undefined = { ...surroundingsOf('192.168.1.5', gateway), ...first };
  // Its seconds pass when the test says so; what lasts shorter is the world's.
  const host: Pick<Host, 'sleep'> = {
    sleep: (ms, signal) =>
      ms === 1_000
        ? once(events, 'look', signal === undefined ? {} : { signal }).then(
            () => undefined,
            () => undefined,
          )
        : systemHost.sleep(ms, signal),
  };
  const watching = watchForHints(
    {
      config: configOf({ REDIS_URL: 'redis://127.0.0.1:1', ...env }),
      clock: createBootClock(systemHost),
      host,
      log: kept.log,
      onHint: (reason) => {
        why.push(reason);
        events.emit('hint');
      },
      look: async () => around,
    },
    ending.signal,
  );
  t.after(async () => {
    ending.abort();
    await watching;
  });
  return {
    why,
    kept,
    change(address: string, through: string | undefined) {
      around = surroundingsOf(address, through);
      events.emit('look');
    },
    look: () => events.emit('look'),
    /** As where there is no descriptor left to look with. */
    blind() {
      around = undefined;
      events.emit('look');
    },
    async hints(count: number) {
      if (why.length >= count) return why;
      for await (const _ of on(events, 'hint')) if (why.length >= count) break;
      return why;
    },
  };
}

function surroundingsOf(address: string, gateway: string | undefined): Surroundings {
  return {
    addresses: [{ interface: 'lo', ip: ip(address) }],
    routes: gateway === undefined ? [] : [{ interface: 'lo', gateway: ip(gateway), metric: 0 }],
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a hint', TIMEOUT, () => {
  test('is an address of this machine that went or came', async (t) => {
    const watch = startWatch(t, undefined, { IP_HINTS: 'interface' });
    await settled();
    watch.look();
    await settled();
    watch.blind();
    await settled();
    watch.change('192.168.1.5', undefined);
    await settled();
    assert.deepEqual(watch.why, []);
    watch.change('192.168.1.6', undefined);
    assert.deepEqual(await watch.hints(1), ['an address or the default route of this machine']);
  });

  test('is a gateway that announces another external address, and says so when it is asked', async (t) => {
    const gateway = await startGateway(t, '127.0.72.1', tells(A));
    const watch = startWatch(t, gateway.gateway.ip);
    await watch.kept.matching(/The gateway speaks NAT-PMP: .* gateway=127\.0\.72\.1/);
    gateway.answer(tells(B));
    gateway.announce(natPmp(B));
    assert.deepEqual(await watch.hints(1), ['another external address']);
  });

  test('is not what somebody else announces, nor what the gateway does not confirm', async (t) => {
    const gateway = await startGateway(t, '127.0.72.2', tells(A));
    const other = await startGateway(t, '127.0.72.3', tells(B));
    const watch = startWatch(t, gateway.gateway.ip);
    await watch.kept.matching(/The gateway speaks NAT-PMP/);
    for (let n = 0; n < 50; n++) {
      other.announce(natPmp(B));
      gateway.announce(natPmp(B));
    }
    const before = gateway.questions;
    await askedAgain(gateway, before);
    await settled();
    assert.deepEqual(watch.why, []);
    assert.equal(other.questions, 0);
    assert.ok(gateway.questions - before <= 4, 'fifty announcements are one question');
  });

  test('comes each time from a gateway that lies, which is asked once a second at most', async (t) => {
    let asked = 0;
    const gateway = await startGateway(t, '127.0.72.4', (question, send, from) => {
      if (question.equals(ASK_EXTERNAL_ADDRESS)) tells(`203.0.113.${++asked}`)(question, send, from);
    });
    const watch = startWatch(t, gateway.gateway.ip);
    await watch.kept.matching(/The gateway speaks NAT-PMP/);
    const flood = setInterval(() => gateway.announce(natPmp(B)), 5);
    t.after(() => clearInterval(flood));
    const startedMs = performance.now();
    await watch.hints(2);
    const seconds = (performance.now() - startedMs) / 1_000;
    assert.ok(asked <= 3 + seconds, `${asked} questions in ${seconds} s`);
  });

  test('is nothing of all that where IP_HINTS is none', async (t) => {
    const gateway = await startGateway(t, '127.0.72.5', tells(A));
    const watch = startWatch(t, gateway.gateway.ip, { IP_HINTS: 'none' });
    watch.change('192.168.1.6', gateway.gateway.ip);
    await settled();
    assert.deepEqual(watch.why, []);
    assert.equal(gateway.questions, 0);
  });

  test('is another gateway, which is asked at once', async (t) => {
    const first = await startGateway(t, '127.0.72.6', tells(A));
    const second = await startGateway(t, '127.0.72.7', tells(B));
    const watch = startWatch(t, first.gateway.ip, { IP_HINTS: 'gateway' });
    await watch.kept.matching(/gateway=127\.0\.72\.6/);
    watch.change('192.168.1.5', second.gateway.ip);
    assert.deepEqual(await watch.hints(1), ['another gateway']);
  });
});

test('BIND_ADDRESS that this machine does not have is said once, and when it has it', TIMEOUT, async (t) => {
  const bindFault = 'BIND_ADDRESS 203.0.113.250 is no address of this machine.';
  const env = { BIND_ADDRESS: '203.0.113.250', IP_HINTS: 'none' };
  const watch = startWatch(t, undefined, env, { bindFault });
  await watch.kept.matching(/ERROR BIND_ADDRESS 203\.0\.113\.250 is no address of this machine\./);
  watch.look();
  await settled();
  watch.change('203.0.113.250', undefined);
  await watch.kept.matching(/INFO {2}BIND_ADDRESS 203\.0\.113\.250 is an address of this machine/);
  assert.equal(watch.kept.lines.length, 2);
});

async function askedAgain(gateway: { readonly questions: number }, before: number): Promise<void> {
  while (gateway.questions === before) await settled();
}
