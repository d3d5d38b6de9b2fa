import { type Ip, parseIp } from '../peers/ip-space.ts';

/** Where a source gets our IP from, as `IP_SOURCES` names it. Votes count by `operator`. */
export type SourceSpec =
  | { readonly kind: 'http'; readonly id: string; readonly operator: string; readonly url: URL }
  | { readonly kind: 'dns'; readonly id: string; readonly operator: string; readonly hostname: string }
  | { readonly kind: 'static'; readonly id: string; readonly operator: string; readonly ip: Ip };

/**
 * Domains whose operator their name does not show. icanhazip.com has been run by Cloudflare since 2021, amazonaws.com and
 * api.aws are both AWS, and tnedi.me is ident.me's spare.
 */
const OPERATORS: Readonly<Record<string, string>> = {
  'icanhazip.com': 'cloudflare',
  'cloudflare.com': 'cloudflare',
  'amazonaws.com': 'aws',
  'api.aws': 'aws',
  'tnedi.me': 'ident.me',
};

/** Reads one entry of `IP_SOURCES`: the source, or what is wrong with it. */
export function parseSource(entry: string): SourceSpec | { fault: string } {
  if (entry.startsWith('static:')) {
    const ip = parseIp(entry.slice('static:'.length));
    return ip === undefined
      ? { fault: `"${entry}" names no IP` }
      : { kind: 'static', id: 'static', operator: 'static', ip };
  }
  if (entry.startsWith('dns:')) {
    const hostname = entry.slice('dns:'.length).toLowerCase();
    const valid =
      hostname.length <= 253 && /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*$/.test(hostname);
    return valid
      ? { kind: 'dns', id: entry, operator: `dns:${hostname}`, hostname }
      : { fault: `"${entry}" names no host` };
  }
  return parseHttpSource(entry);
}

function parseHttpSource(entry: string): SourceSpec | { fault: string } {
  if (!URL.canParse(entry)) return { fault: 'an entry is neither https://…, dns:<hostname> nor static:<ip>' };
  const url = new URL(entry);
  if (url.username !== '' || url.password !== '') return { fault: `"${url.hostname}" carries credentials` };
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return { fault: `"${url.hostname}" must be https:// (http:// is for a loopback host only)` };
  }
  return { kind: 'http', id: url.host, operator: operatorOf(url), url };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Who runs a source: its registered domain, taken as the last two labels (where a public suffix has two, that counts
 * strangers as one operator, which is the safe way round). An IP literal is its own operator, port included.
 */
function operatorOf({ hostname, host }: URL): string {
  if (parseIp(hostname.replace(/^\[|\]$/g, '')) !== undefined) return host;
  const domain = hostname.replace(/\.$/, '').split('.').slice(-2).join('.');
  return OPERATORS[domain] ?? domain;
}
