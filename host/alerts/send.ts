import type { Message } from './message.ts';

/** Why a request of ours was not taken, in words without the URL: it may hold a secret. */
export type Sent = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const TIMEOUT_MS = 10_000;

/**
 * Posts a message. An ntfy server gets plain text with its title in a header; everybody else JSON, whose fields suit Slack
 * and Mattermost (`text`), Discord (`content`), Gotify (`title`, `message`, `priority`) and Apprise (`title`, `body`).
 * Never rejects.
 */
export function sendMessage(url: URL, message: Message, signal?: AbortSignal): Promise<Sent> {
  return post(url, isNtfy(url) ? ntfyRequest(message) : jsonRequest(message), signal);
}

/** Requests a URL with a short body, as Healthchecks wants it. Never rejects. */
export function ping(url: URL, body: string, signal?: AbortSignal): Promise<Sent> {
  return post(url, { headers: { 'content-type': 'text/plain; charset=utf-8' }, body }, signal);
}

function isNtfy({ hostname }: URL): boolean {
  return /(?:^|\.)ntfy\./.test(hostname);
}

interface Content {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A header is ASCII: so is all that our titles are made of, addresses and the program's own words. */
function ntfyRequest({ title, body, urgent, id }: Message): Content {
  return {
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      title: title.replace(/[^\x20-\x7e]/g, '?'),
      priority: urgent ? '4' : '3',
      tags: urgent ? 'warning' : 'white_check_mark',
      'x-id': id,
    },
    body,
  };
}

function jsonRequest({ title, body, urgent, id }: Message): Content {
  const text = `${title}\n${body}`;
  return {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title, body, text, content: text, message: body, priority: urgent ? 8 : 4, id }),
  };
}

async function post(url: URL, { headers, body }: Content, signal?: AbortSignal): Promise<Sent> {
  const { username, password } = url;
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  const login =
    username === '' && password === ''
      ? {}
      : {
          authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
        };
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(plain, {
      method: 'POST',
      headers: { ...headers, ...login, 'user-agent': 'p2p-consumer-scheduler' },
      body,
      redirect: 'manual',
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
    });
    await response.body?.cancel();
    return response.ok ? { ok: true } : { ok: false, reason: `HTTP status ${response.status}` };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1_000} s`;
  if (error.name === 'AbortError') return 'aborted';
  // fetch says only that it failed.
  const { cause } = error;
  if (!(cause instanceof Error)) return error.name;
  return 'code' in cause ? String(cause.code) : cause.message;
}
