import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needsNetwork } from './network.ts';
import { needsRouter } from './router-daemon.ts';
import { type Call, openScene, type SceneHost } from './scene.ts';

/** No check comes by the schedule while a test lasts: what is told was found out by a hint. */
const BY_HINT_ALONE = { IP_CHECK_INTERVAL_MS: '3600000', SYNC_INTERVAL_MS: '3600000' };
const limit = { timeout: 120_000 };

const senders = (calls: readonly Call[]) => [...new Set(calls.map(({ from }) => from))];
/** The addresses that producers were told by this host. */
const toldBy = ({ uuid }: SceneHost, calls: readonly Call[]) => [
  ...new Set(calls.flatMap(({ body }) => (body.includes(uuid) ? [JSON.parse(body).ip] : []))),
];

describe('a host with hints', { concurrency: true }, () => {
  test('tells every producer when its router (miniupnpd) gets another address, at once', {
    ...limit,
    ...needsRouter(),
  }, async (t) => {
    const { network, startHost, calls } = await openScene(t, { producers: 20 });
    const host = await startHost({ ...BY_HINT_ALONE, IP_HINTS: 'gateway' });
    const deaf = await startHost({ ...BY_HINT_ALONE, IP_HINTS: 'none' });
    await Promise.all([host.told(network.firstIp), deaf.told(network.firstIp)]);
    await host.line(/The gateway speaks NAT-PMP/);
    const { findings } = JSON.parse(await host.p2p('doctor', '--json'));
    const says = (about: string) =>
      findings.find((finding: { about: string }) => finding.about === about)?.says;
    assert.equal(says('gateway'), '192.168.77.1 has the external address 11.22.33.10, as the sources see it');
    assert.match(says('forward'), /^UPnP lists no forward of port 80/);
    assert.match(says('hints'), /the gateway by NAT-PMP$/);

    let current = network.firstIp;
    for (const next of ['11.22.33.77', '11.22.33.78']) {
      network.renumber(current, next);
      assert.deepEqual(senders(await host.told(next)), [next], 'what they are told is what they see');
      current = next;
    }
    assert.deepEqual(toldBy(host, calls), [network.firstIp, '11.22.33.77', '11.22.33.78']);
    assert.deepEqual(toldBy(deaf, calls), [network.firstIp], 'without hints nobody has looked');
  });

  test('tells the address with which its router’s line comes back', {
    ...limit,
    ...needsRouter(),
  }, async (t) => {
    const { network, startHost } = await openScene(t, { producers: 5 });
    const host = await startHost(BY_HINT_ALONE);
    await host.told(network.firstIp);
    await host.line(/The gateway speaks NAT-PMP/);

    network.plugUplink('out');
    network.renumber(network.firstIp, '11.22.33.79');
    // The gateway tells the new address while nothing can be reached by it.
    await host.line(/The sources do not settle/);
    network.plugUplink('in');
    assert.deepEqual(senders(await host.told('11.22.33.79')), ['11.22.33.79']);
  });

  test('tells every producer when the address of its own interface changes', {
    ...limit,
    ...needsNetwork(),
  }, async (t) => {
    const { network, startHost } = await openScene(t, { producers: 5, router: 'none' });
    const host = await startHost({ ...BY_HINT_ALONE, IP_HINTS: 'interface' });
    await host.told(network.firstIp);
    network.renumber(network.firstIp, '11.22.33.80');
    assert.deepEqual(senders(await host.told('11.22.33.80')), ['11.22.33.80']);
  });

  test('tells the address with which its link comes back', { ...limit, ...needsNetwork() }, async (t) => {
    const { network, startHost } = await openScene(t, { producers: 5, router: 'none' });
    const host = await startHost(BY_HINT_ALONE);
    await host.told(network.firstIp);
    network.plug('out');
    await host.line(/The sources do not settle/);
    network.plug('in', '11.22.33.81');
    assert.deepEqual(senders(await host.told('11.22.33.81')), ['11.22.33.81']);
  });

  test('calls from BIND_ADDRESS, and says when that is gone and when it is back', {
    ...limit,
    ...needsNetwork(),
  }, async (t) => {
    const { network, startHost, calls } = await openScene(t, { producers: 2, router: 'none' });
    const own = '11.22.33.200';
    network.alias('add', own);
    const host = await startHost({ ...BY_HINT_ALONE, BIND_ADDRESS: own });
    assert.deepEqual(senders(await host.told(own)), [own]);
    network.alias('del', own);
    await host.line(/BIND_ADDRESS 11\.22\.33\.200 is no address of this machine\. It has 11\.22\.33\.10\./);
    network.alias('add', own);
    await host.line(/BIND_ADDRESS 11\.22\.33\.200 is an address of this machine/);
    assert.deepEqual(toldBy(host, calls), [own], 'the other address of this machine is nothing to tell');
  });

  test('is not moved by a gateway that lies and floods: few checks, no change, no memory', {
    ...limit,
    ...needsNetwork(),
  }, async (t) => {
    const { network, startHost, calls, until, inRouter } = await openScene(t, {
      producers: 1,
      router: 'silent',
    });
    const host = await startHost(BY_HINT_ALONE);
    await host.told(network.firstIp);
    const before = { kb: await host.residentKb(), asked: asked(calls).length, atMs: Date.now() };

    const liar = await inRouter('liar.ts');
    await until(() => asked(calls).length >= before.asked + 3);

    const { announcements } = (await liar.call('counts')) as { announcements: number };
    assert.ok(announcements > 1_000, `${announcements} announcements`);
    // A quiet check asks one source, and checks begin 5 s apart: the third comes 10 s after the first. A second for delays.
    const [first, , third] = asked(calls).slice(before.asked);
    assert.ok((third?.at ?? 0) - (first?.at ?? 0) > 9_000, 'at most one check in 5 s');
    assert.ok((await host.residentKb()) - before.kb < 30_000);
    assert.equal(calls.filter(({ path }) => path === '/ip').length, 1);
  });
});

const asked = (calls: readonly Call[]) => calls.filter(({ path }) => path === 'source');
