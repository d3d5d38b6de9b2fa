import { isIP, type OnReadOpts, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { exchange } from '../http/exchange.ts';
import { type Ip, type IpFamily, localAddressFor } from '../peers/ip-space.ts';
import type { SourceReply } from './vote.ts';

/** An address with a line end has 47 bytes at most. A longer page is not an echo of an address. */
const MAX_ANSWER_BYTES = 1_024;
/**
 * Of several addresses of one name the next is tried after this time. Node's default, 250 ms, is less than a round trip
 * around the world; the deadline leaves room for three.
 */
const NEXT_ADDRESS_MS = 900;

interface HttpQuestion {
  readonly family: IpFamily;
  readonly version: string;
  readonly timeoutMs: number;
  readonly ca?: string | undefined;
  readonly bindAddress?: Ip | undefined;
}

/** Asks an echo service once, over a connection of its own. Never throws. A host that is an IP literal is dialled as it is. */
export async function askHttp(url: URL, question: HttpQuestion, signal?: AbortSignal): Promise<SourceReply> {
  const outcome = await exchange({
    method: 'GET',
    path: `${url.pathname}${url.search}`,
    headers: [
      'host',
      url.host,
      'accept',
      'text/plain',
      'accept-encoding',
      'identity',
      'user-agent',
      `p2p-consumer-scheduler/${question.version}`,
      'connection',
      'close',
    ],
    connect: (onread) => connectTo(url, question, onread),
    timeoutMs: question.timeoutMs,
    maxBodyBytes: MAX_ANSWER_BYTES,
    signal,
  });
  if (outcome.kind === 'failed') return { error: outcome.error };
  if (outcome.status !== 200) return { error: 'status' };
  return { said: readEcho(outcome.body) };
}

function connectTo(url: URL, { family, ca, bindAddress }: HttpQuestion, onread: OnReadOpts): Socket {
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const target = {
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    family,
    localAddress: localAddressFor(family, bindAddress),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    onread,
  };
  if (!secure) return tcpConnect(target);
  return tlsConnect({
    ...target,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== undefined && { ca }),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
  });
}

/**
 * What an echo service says: the whole body, without white space and line ends around it. `String.trim` would remove
 * a no-break space and a byte order mark as well.
 */
export function readEcho(body: Buffer): string {
  const text = body.toString('latin1');
  return /^[\t\n\r ]*([^\t\n\r ]*)[\t\n\r ]*$/.exec(text)?.[1] ?? text;
}
