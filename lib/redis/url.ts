import { isIP } from 'node:net';

/** Where Redis is and how to log in, as `REDIS_URL` says. `where` is host and port, without a secret. */
export type RedisTarget =
  | { readonly kind: 'rest'; readonly where: string; readonly url: string }
  | {
      readonly kind: 'tcp';
      readonly where: string;
      readonly host: string;
      readonly port: number;
      readonly tls: boolean;
      /** Empty if the URL names none: Redis then takes `default`. */
      readonly user: string;
      /** Empty if there is none. */
      readonly password: string;
      readonly database: number;
    };

/** What the operator calls the settings that errors about Redis speak of. */
export interface SettingNames {
  readonly url: string;
  readonly token: string;
}

/** Has a text that speaks of `REDIS_URL` and `REDIS_TOKEN` call them as the operator does. */
export function withNames(text: string, { url, token }: SettingNames): string {
  return text.replace(/\bREDIS_(URL|TOKEN)\b/g, (_, which) => (which === 'URL' ? url : token));
}

const DEFAULT_PORT = 6_379;

/** What a password must not hold as it is: each ends the login, or the whole authority, of a URL. */
const ENCODE = 'a "/", "?", "#" or "@" in user or password must be percent-encoded (%2F, %3F, %23, %40)';
const HOST_AND_PORT =
  'one host and a port from 1 to 65535: host:6379, 192.0.2.1:6379, or [2001:db8::1]:6379 without a zone';

/**
 * Reads `REDIS_URL`, or tells what is wrong with it: nothing that it holds is guessed or left out. No part of the URL is in
 * the fault, because a password that is not encoded can stand anywhere in it.
 */
export function parseRedisUrl(text: string): RedisTarget | { readonly fault: string } {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text) ?? [];
  const protocol = scheme.toLowerCase();
  if (!['http', 'https', 'redis', 'rediss'].includes(protocol)) {
    return { fault: 'must be a URL that starts with https://, http://, rediss:// or redis://' };
  }
  // Told before the URL is parsed: what follows the bad character would be taken for host, path or query.
  const [authority = ''] = rest.split(/[/?#]/, 1);
  if (rest.slice(authority.length).includes('@') || authority.split('@').length > 2) {
    return { fault: `must be a valid URL: ${ENCODE}` };
  }
  if (/[^\x21-\x7e]/.test(text))
    return { fault: 'must be ASCII without spaces: percent-encode any other character' };
  if (!URL.canParse(text)) {
    const login = authority.includes('@') ? `; ${ENCODE}` : '';
    return { fault: `must be a valid URL with ${HOST_AND_PORT}${login}` };
  }
  const url = new URL(text);
  if (url.port === '0' || isDoubtful(authority)) return { fault: `must have ${HOST_AND_PORT}` };
  if (protocol === 'http' || protocol === 'https') {
    return authority.includes('@') || url.search !== '' || url.hash !== ''
      ? { fault: 'must hold no login, query or fragment for REST; the token belongs into REDIS_TOKEN' }
      : { kind: 'rest', where: url.host, url: text };
  }
  return tcpTarget(url, { login: authority.includes('@'), path: rest.slice(authority.length) });
}

/** Whether the host is a number that is no IPv4 address as it stands: the system would read 010.0.0.1 as 8.0.0.1. */
function isDoubtful(authority: string): boolean {
  const host = authority.replace(/^.*@/, '').replace(/:\d*$/, '');
  return /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(host) && isIP(host) === 0;
}

function tcpTarget(
  url: URL,
  { login, path }: { login: boolean; path: string },
): RedisTarget | { readonly fault: string } {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(host)) {
    return {
      fault: 'must name one host: redis://host:6379 (no list of cluster or sentinel nodes, no socket)',
    };
  }
  if (url.search !== '' || url.hash !== '') {
    return {
      fault: 'must hold no "?" and no "#": the database is the path (redis://host:6379/3), TLS is rediss://',
    };
  }
  // As it is written: in a parsed path "/3/.." is "/".
  if (!/^(\/\d{0,5})?$/.test(path)) {
    return { fault: 'must have a database number as its path, or none: redis://host:6379/3' };
  }
  // `redis://:$PASSWORD@host` with a variable that was empty has a login, too.
  if (login && url.password === '') {
    return { fault: 'has a login without a password: redis://user:password@host, or redis://:password@host' };
  }
  if (/%(?![0-9a-f]{2})/i.test(url.username + url.password)) {
    return { fault: 'has a "%" in user or password that must be percent-encoded as %25' };
  }
  const user = percentDecoded(url.username);
  const password = percentDecoded(url.password);
  if (user === undefined || password === undefined) {
    return { fault: 'has a user or password whose percent-encoding is not UTF-8' };
  }
  return {
    kind: 'tcp',
    where: url.host,
    host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    tls: url.protocol === 'rediss:',
    user,
    password,
    database: Number(url.pathname.slice(1)),
  };
}

/** The text without its percent-encoding; undefined if that is not UTF-8, or a "%" stands alone. */
export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
