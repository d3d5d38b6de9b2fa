import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { reportJson } from '../report/json.ts';
import { METRICS_TYPE, metricsText } from '../report/metrics.ts';
import { isStale } from '../report/read/stale.ts';
import type { Report } from '../report/report.ts';
import { harmlessJson } from '../report/text/escape.ts';
import { type Access, createAccess } from './access.ts';
import { icon } from './view/hero.ts';
import { loginPage, statusPage } from './view/page.ts';
import { STYLE_HASH } from './view/style.ts';

/** Where the page is served. */
export interface PageAddress {
  /** An IP address of this machine, or all of them (`0.0.0.0`, `::`). */
  readonly address: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface PageServerOptions {
  /** Answers the present report. It is asked for each request; see `createReporter`. */
  readonly report: () => Promise<Report>;
  /** Asked of everyone; without it only loopback may be listened on. */
  readonly token?: string | undefined;
  readonly wallMs: () => number;
}

/** The page, being served. */
export interface PageServer {
  /** Where it can be asked for: `http://127.0.0.1:8090/`. */
  readonly url: string;
  /** Ends at once, whoever is being answered. */
  close(): Promise<void>;
}

/** How often a browser asks again. */
const REFRESH_SECONDS = 15;
const MOST_CONNECTIONS = 200;
const MOST_BODY = 4_096;
const REQUEST_MS = 10_000;

const POLICY = [
  "default-src 'none'",
  `style-src ${STYLE_HASH}`,
  "img-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** What every answer carries: nothing is kept, framed, sniffed or told to others. */
const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/**
 * Serves `/`, `/status.json`, `/metrics` and `/healthz` until it is closed.
 *
 * @throws the system's error where the address cannot be listened on.
 */
export async function servePage(address: PageAddress, options: PageServerOptions): Promise<PageServer> {
  const access = createAccess(options.token);
  const documents = createDocuments(options);
  const server = createServer({ maxHeaderSize: 8_192, requestTimeout: REQUEST_MS }, (request, response) => {
    answer(request, response, { access, documents, report: options.report }).catch(() => {
      if (!response.headersSent) send(response, 500, 'text/plain', 'The report could not be made.\n');
      else response.destroy();
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  await once(server.listen({ host: address.address, port: address.port, exclusive: true }), 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    url: urlOf({ ...address, port }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Why `servePage` could not listen, in words that follow "port 8090". */
export function whyNotServed(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  switch (code) {
    case 'EADDRINUSE':
      return 'is in use by another program';
    case 'EACCES':
      return 'may be used by root alone';
    case 'EADDRNOTAVAIL':
      return 'cannot be listened on: this machine does not have the address';
    default:
      return `cannot be listened on (${code})`;
  }
}

/** `http://[::1]:8090/`. */
export function urlOf({ address, port }: PageAddress): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;
}

interface Answering {
  readonly access: Access;
  readonly documents: Documents;
  readonly report: () => Promise<Report>;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { access, documents, report }: Answering,
): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  const [path = '/', query = ''] = url.split('?', 2);
  if (!access.isOurName(request)) {
    return send(response, 403, 'text/plain', 'Ask for it by its address, or as localhost.\n');
  }
  if (path === '/login' && method === 'POST') return logIn(request, response, access);
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, 'text/plain', 'Only GET.\n');
  }
  if (path === '/healthz') return health(response, await report());
  if (!access.isAllowed(request)) return refuse(response, path);
  const name = path === '/' && query === 'still' ? '/?still' : path;
  if (!isDocument(name)) {
    return send(response, 404, 'text/plain', 'There are /, /status.json, /metrics and /healthz.\n');
  }
  if (name === '/') response.setHeader('refresh', String(REFRESH_SECONDS));
  send(response, 200, TYPES[name], documents(await report(), name));
}

const TYPES = {
  '/': 'text/html',
  '/?still': 'text/html',
  '/status.json': 'application/json',
  '/metrics': METRICS_TYPE,
  '/icon.svg': 'image/svg+xml',
} as const;
type DocumentName = keyof typeof TYPES;

function isDocument(name: string): name is DocumentName {
  return Object.hasOwn(TYPES, name);
}

/** A report as one of the documents that are served. */
type Documents = (report: Report, name: DocumentName) => Buffer;

/** Each document is made once for a report, however many ask for it. */
function createDocuments({ wallMs }: PageServerOptions): Documents {
  const made = new WeakMap<Report, Map<DocumentName, Buffer>>();
  return (report, name) => {
    const documents = made.get(report) ?? new Map<DocumentName, Buffer>();
    made.set(report, documents);
    const bytes = documents.get(name) ?? Buffer.from(make(report, name));
    documents.set(name, bytes);
    return bytes;
  };

  function make(report: Report, name: DocumentName): string {
    switch (name) {
      case '/':
        return statusPage({ report, wallMs: wallMs(), refreshSeconds: REFRESH_SECONDS });
      case '/?still':
        return statusPage({ report, wallMs: wallMs() });
      case '/status.json':
        return `${harmlessJson(reportJson(report))}\n`;
      case '/metrics':
        return metricsText(report);
      case '/icon.svg':
        return icon(report.verdict);
    }
  }
}

/** 200 while checks are recorded: what a container or a load balancer wants to know. */
function health(response: ServerResponse, { facts }: Report): void {
  const alive = facts !== undefined && !isStale(facts.register.checkedAt, facts.checkEveryMs, facts.nowMs);
  send(response, alive ? 200 : 503, 'text/plain', alive ? 'checks are recent\n' : 'no check is recent\n');
}

async function logIn(request: IncomingMessage, response: ServerResponse, access: Access): Promise<void> {
  const token = new URLSearchParams(await readBody(request)).get('token') ?? '';
  const cookie = access.cookieFor(token);
  if (cookie === undefined) return send(response, 403, 'text/html', loginPage({ refused: true }));
  response.setHeader('set-cookie', cookie);
  response.setHeader('location', '/');
  send(response, 303, 'text/plain', 'See /\n');
}

function refuse(response: ServerResponse, path: string): void {
  response.setHeader('www-authenticate', 'Bearer realm="p2p"');
  if (path === '/') send(response, 401, 'text/html', loginPage({ refused: false }));
  else send(response, 401, 'text/plain', 'Needs the header "Authorization: Bearer" and PAGE_TOKEN.\n');
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, {
    ...HEADERS,
    'content-type': type.includes('charset') || type.startsWith('image/') ? type : `${type}; charset=utf-8`,
    'content-length': bytes.length,
  });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}

/** @throws Error where it is longer than a token can be, or does not end. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MOST_BODY) throw new Error('the body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
