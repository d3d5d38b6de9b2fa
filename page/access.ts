import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Who may see the page. */
export interface Access {
  /**
   * Whether the request names this server by an address or as localhost. Without a token only that keeps a web page that the
   * operator visits from reading this one through a name of its own that leads to 127.0.0.1 (DNS rebinding).
   */
  isOurName(request: IncomingMessage): boolean;
  /** Whether it carries the token, as a bearer or as the cookie of a login; everybody may where there is no token. */
  isAllowed(request: IncomingMessage): boolean;
  /** The cookie for whoever knows the token; undefined for others. */
  cookieFor(token: string): string | undefined;
}

const COOKIE = 'p2p_page';
/** 30 days. */
const COOKIE_SECONDS = 2_592_000;

/** Comparisons take the same time whatever was sent. The cookie is made of the token and cannot be turned into it. */
export function createAccess(token: string | undefined): Access {
  const session =
    token === undefined ? '' : createHmac('sha256', token).update('p2p page').digest('base64url');
  return {
    isOurName({ headers }) {
      if (token !== undefined) return true;
      const name = nameOf(headers.host ?? '');
      return name === 'localhost' || isIP(name) !== 0;
    },
    isAllowed({ headers }) {
      if (token === undefined) return true;
      const [, bearer] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
      const [, cookie] = new RegExp(`(?:^|; *)${COOKIE}=([\\w-]+)`).exec(headers.cookie ?? '') ?? [];
      return (
        (bearer !== undefined && isSame(bearer, token)) || (cookie !== undefined && isSame(cookie, session))
      );
    },
    cookieFor(given) {
      if (token === undefined || !isSame(given, token)) return undefined;
      return `${COOKIE}=${session}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Strict`;
    },
  };
}

function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** The host of a Host header, without its port. */
function nameOf(host: string): string {
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(host) ?? [];
  return bracketed ?? host.replace(/:\d+$/, '').toLowerCase();
}
