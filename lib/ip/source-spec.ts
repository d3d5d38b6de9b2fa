import { type Ip, parseIp } from '../peers/ip-space.ts';

/**
 * Where a source gets our IP from, as `IP_SOURCES` names it. Votes count by `operator`: the registrable domain of an
 * `https://` service, and `dns` for all `dns:` names together, which somebody with the rights on our zone could all set.
 */
export type SourceSpec =
  | {
      readonly kind: 'http';
      readonly id: string;
      readonly operator: string;
      readonly url: URL;
      /** Whether it runs on this machine, where it answers without a network. */
      readonly loopback: boolean;
    }
  | { readonly kind: 'dns'; readonly id: string; readonly operator: 'dns'; readonly hostname: string }
  | { readonly kind: 'static'; readonly id: string; readonly operator: 'static'; readonly ip: Ip };

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

/**
 * Echo services of five operators: two must agree, so that some may fail and one may lie. Each answers in the family in
 * which it is dialled (checkip.amazonaws.com and api.ipify.org have IPv4 only), as plain text, without a key.
 *
 * - checkip.global.api.aws: AWS's dual-stack endpoint. No published promise, like all of these.
 * - api64.ipify.org: ipify over both families; no limit by its own word; slow at times.
 * - icanhazip.com: run by Cloudflare since 2021; ends its answer with a line feed.
 * - ident.me: small and independent; a spare stands at tnedi.me.
 * - wtfismyip.com: independent; only `/text` is plain. Not meant for more than about a question a minute.
 *
 * seeip.org, which other lists have, was left out: its certificate and its back end failed for days in 2024.
 */
export const DEFAULT_IP_SOURCES = [
  'https://checkip.global.api.aws',
  'https://api64.ipify.org',
  'https://icanhazip.com',
  'https://ident.me',
  'https://wtfismyip.com/text',
].join(',');

/** Reads one entry of `IP_SOURCES`: the source, or what is wrong with it, without a word of it. */
export function parseSource(entry: string): SourceSpec | { fault: string } {
  if (/^static:/i.test(entry)) {
    const ip = parseIp(entry.slice('static:'.length));
    return ip === undefined
      ? { fault: 'names no IP' }
      : { kind: 'static', id: 'static', operator: 'static', ip };
  }
  if (/^dns:/i.test(entry)) {
    const hostname = entry.slice('dns:'.length).toLowerCase();
    const valid =
      hostname.length <= 253 && /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*$/.test(hostname);
    return valid
      ? { kind: 'dns', id: `dns:${hostname}`, operator: 'dns', hostname }
      : { fault: 'names no host' };
  }
  return parseHttpSource(entry);
}

function parseHttpSource(entry: string): SourceSpec | { fault: string } {
  if (!/^https?:\/\/[^/\\]/i.test(entry) || !URL.canParse(entry)) {
    return { fault: 'is neither https://…, dns:<hostname> nor static:<ip>' };
  }
  const url = new URL(entry);
  // With ";" or "|" between two sources, the first one's host would swallow the second.
  if (!/^(\[[^\]]*\]|[a-z0-9_.-]+)$/.test(url.hostname)) return { fault: 'holds more than one host' };
  if (url.username !== '' || url.password !== '') return { fault: 'holds credentials' };
  const loopback = isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !loopback) {
    return { fault: 'must be https:// (http:// is for a loopback host only)' };
  }
  return { kind: 'http', id: url.host, operator: operatorOf(url), url, loopback };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Labels under which many country domains register names, as in example.co.uk. */
const GENERIC: readonly string[] = ['ac', 'co', 'com', 'edu', 'gov', 'net', 'org'];
/** More of these labels, by country. */
const MORE_GENERIC: Readonly<Record<string, readonly string[]>> = {
  at: ['gv', 'or'],
  id: ['go', 'or', 'web'],
  jp: ['ad', 'ed', 'go', 'gr', 'lg', 'ne', 'or'],
  ke: ['go', 'ne', 'or'],
  kr: ['go', 'ne', 'or', 're'],
  mx: ['gob'],
  nz: ['geek', 'gen', 'govt', 'iwi', 'kiwi'],
  th: ['go', 'in', 'or'],
  uk: ['ltd', 'me', 'plc', 'sch'],
};

/**
 * Who runs a source: its registrable domain. An IP literal is its own operator, port included.
 *
 * The domain is the last two labels, or the last three where the second is one under which a country registers names. That
 * is right for common names and not for all: the whole list of public suffixes would be a third of a function's bundle.
 * Under a suffix that is not known here (city.kawasaki.jp, github.io) strangers count as one operator, which is the safe
 * way round: fewer voices, not more.
 */
function operatorOf({ hostname, host }: URL): string {
  if (parseIp(hostname.replace(/^\[|\]$/g, '')) !== undefined) return host;
  const labels = hostname.replace(/\.$/, '').split('.');
  const [country = '', second = ''] = labels.toReversed();
  const generic = [...GENERIC, ...(MORE_GENERIC[country] ?? [])];
  const depth = country.length === 2 && generic.includes(second) ? 3 : 2;
  const domain = labels.slice(-depth).join('.');
  return OPERATORS[domain] ?? domain;
}
