import { networkInterfaces } from 'node:os';
import type { Config } from '../../lib/config.ts';
import type { Host, Log } from '../../lib/host.ts';
import { type BootClock, createAlarm } from '../clock.ts';
import { listenForAnnouncements } from './announcements.ts';
import { type AskGateway, askGateway, type Gateway } from './ask-gateway.ts';
import { type GatewayMemory, judgeGateway } from './gateway-watch.ts';
import { bindAddressFault, type LocalAddress, localAddresses } from './interfaces.ts';
import { chooseRoute, type DefaultRoute, readDefaultRoutes } from './routes.ts';

/** How often the interfaces are looked at. */
const LOOK_EVERY_MS = 1_000;
/** From one question to the gateway to the next, however often it announces something. */
const QUESTIONS_APART_MS = 1_000;
/** Lines about gateways in the log of one process. Where there are more, they come and go. */
const MOST_LINES = 20;

/** What this machine shows of its network. */
export interface Surroundings {
  readonly addresses: readonly LocalAddress[];
  readonly routes: readonly DefaultRoute[];
  /** Why `BIND_ADDRESS` cannot be used, if it cannot. */
  readonly bindFault?: string | undefined;
}

export interface HintsOptions {
  readonly config: Pick<Config, 'host' | 'ip' | 'peers'>;
  readonly clock: BootClock;
  readonly host: Pick<Host, 'sleep'>;
  readonly log: Log;
  /** Called when a check may find another address. It proves nothing. */
  readonly onHint: (why: string) => void;
  /** Tests bring their own. */
  readonly look?: typeof lookAround;
  readonly ask?: AskGateway;
}

/**
 * Watches what may go with a change of the public address, until the signal aborts: this machine's addresses and default
 * route, and the gateway's external address where it speaks NAT-PMP or PCP. Also says when `BIND_ADDRESS` is no address
 * of this machine. Never rejects.
 */
export async function watchForHints(
  { config, clock, host, log, onHint, look = lookAround, ask = askGateway }: HintsOptions,
  signal: AbortSignal,
): Promise<void> {
  const { hints } = config.host;
  const { bindAddress } = config.peers;
  const gatewayAlarm = createAlarm(clock);
  let asked: Gateway | undefined;

  const watchInterfaces = async () => {
    let before: string | undefined;
    let faulty = false;
    for (; !signal.aborted; await host.sleep(LOOK_EVERY_MS, signal)) {
      // Each second: no program is worth starting for it.
      const around = await look(config, { mayStart: false });
      if (around === undefined) continue;
      const now = JSON.stringify([around.addresses, gatewayOf(around, config)]);
      if (before !== undefined && now !== before) {
        if (hints.interface) onHint('an address or the default route of this machine');
        gatewayAlarm.ring();
      }
      before = now;
      const { bindFault } = around;
      if (bindFault !== undefined && !faulty) log.error(`${bindFault} Nobody can be called until it has.`);
      if (bindFault === undefined && faulty)
        log.info(`BIND_ADDRESS ${bindAddress} is an address of this machine`);
      faulty = bindFault !== undefined;
    }
  };

  const said = new Set<string>();
  const sayOnce = (message: string, fields: { readonly gateway: string }) => {
    const line = `${message} ${fields.gateway}`;
    if (said.has(line) || said.size >= MOST_LINES) return;
    said.add(line);
    log.info(message, fields);
  };

  const watchGateway = async () => {
    let memory: GatewayMemory | undefined;
    while (!signal.aborted) {
      const askedMs = clock.nowMs();
      const around = await look(config);
      asked = around === undefined ? undefined : gatewayOf(around, config);
      if (asked === undefined) {
        await gatewayAlarm.until(askedMs + LOOK_EVERY_MS, signal);
        continue;
      }
      const { ip: gateway } = asked;
      const state = await ask(asked, signal);
      if (signal.aborted) return;
      const news = judgeGateway(memory, `${gateway} ${asked.interface}`, state, clock.nowMs());
      memory = news.memory;
      if (news.hint !== undefined) onHint(news.hint);
      if (state !== undefined) {
        sayOnce(`The gateway speaks ${state.protocol}: a change of its address starts a check at once`, {
          gateway,
        });
      } else if (news.givenUp) {
        sayOnce('The gateway speaks neither NAT-PMP nor PCP; it is asked again each hour', { gateway });
      }
      await gatewayAlarm.until(news.askAgainMs, signal);
      await clock.until(askedMs + QUESTIONS_APART_MS, signal);
    }
  };

  const onAnnouncement = (from: string) => {
    // What it says may be forged: the gateway itself is asked.
    if (from === asked?.ip) gatewayAlarm.ring();
  };
  await Promise.all([
    ...(hints.interface || hints.gateway || bindAddress !== undefined ? [watchInterfaces()] : []),
    ...(hints.gateway
      ? [watchGateway(), listenForAnnouncements({ sleep: host.sleep, onAnnouncement }, signal)]
      : []),
  ]);
}

/** The gateway that our calls pass: that of the interface with `BIND_ADDRESS`, or the one with the lowest metric. */
export function gatewayOf(
  { addresses, routes }: Surroundings,
  { ip: { family }, peers: { bindAddress } }: Pick<Config, 'ip' | 'peers'>,
): Gateway | undefined {
  const own = addresses.find(({ ip }) => ip === bindAddress);
  const route = chooseRoute(routes, own?.interface);
  if (route?.gateway === undefined) return undefined;
  return { ip: route.gateway, interface: route.interface, family, bindAddress: own?.ip };
}

/** This machine's network as it is now; undefined where the system does not say, which it does not without a descriptor left. */
export async function lookAround(
  { ip: { family }, peers: { bindAddress } }: Pick<Config, 'ip' | 'peers'>,
  options: { readonly mayStart?: boolean } = {},
): Promise<Surroundings | undefined> {
  try {
    const interfaces = networkInterfaces();
    return {
      addresses: localAddresses(family, interfaces),
      routes: await readDefaultRoutes(family, options),
      bindFault: bindAddress === undefined ? undefined : bindAddressFault(bindAddress, interfaces),
    };
  } catch {
    return undefined;
  }
}
