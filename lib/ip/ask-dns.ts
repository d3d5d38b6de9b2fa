import { Resolver } from 'node:dns/promises';
import { onAbort } from '../http/on-abort.ts';
import type { IpFamily } from '../peers/ip-space.ts';
import type { SourceReply } from './vote.ts';

/** A second try, so that a lost datagram does not cost the answer. */
const TRIES = 2;

interface DnsQuestion {
  readonly family: IpFamily;
  readonly timeoutMs: number;
  readonly dnsServers?: readonly string[] | undefined;
}

/**
 * Asks the name servers for the one address that a name has in this family; several records of it are one. Never throws.
 *
 * The resolver is new each time: it reads the system's name servers again, which change with the network, and it has no
 * cache of its own.
 */
export async function askDns(
  hostname: string,
  { family, timeoutMs, dnsServers }: DnsQuestion,
  signal?: AbortSignal,
): Promise<SourceReply> {
  if (signal?.aborted) return { error: 'aborted' };
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / TRIES), tries: TRIES });
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  const leave = signal === undefined ? undefined : onAbort(signal, () => resolver.cancel());
  try {
    if (dnsServers !== undefined) resolver.setServers(dnsServers);
    const addresses = await (family === 4 ? resolver.resolve4(hostname) : resolver.resolve6(hostname));
    const [said, ...others] = new Set(addresses);
    if (said === undefined) return { error: 'not-found' };
    return others.length > 0 ? { error: 'ambiguous' } : { said };
  } catch (error) {
    if (signal?.aborted) return { error: 'aborted' };
    return { error: isTimeout(error) ? 'timeout' : 'not-found' };
  } finally {
    clearTimeout(timer);
    leave?.();
  }
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'ETIMEOUT' || error.code === 'ECANCELLED')
  );
}
