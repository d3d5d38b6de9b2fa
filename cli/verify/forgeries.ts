import type { Address } from '../../lib/peers/address.ts';
import type { Sign } from '../../lib/peers/signing.ts';

/** A request that a peer that knows the key must not believe. */
export interface Forgery {
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TEN_MINUTES_MS = 600_000;

/** Requests that are nearly genuine. `elsewhere` is an address that is not the peer's. */
export function forgeries(
  sign: Sign,
  request: {
    readonly address: Address;
    readonly elsewhere: Address;
    readonly path: string;
    readonly body: string;
    readonly epoch: string;
  },
): Forgery[] {
  const { address, elsewhere, path, body, epoch } = request;
  const now = Date.now();
  const genuine = sign({ address, path, body, epoch }, now);
  const id = genuine['webhook-id'] ?? '';
  const other = path === '/ip' ? '/sync' : '/ip';
  return [
    { what: 'no signature', headers: {}, body },
    {
      what: 'no signature, and the uuid in capitals',
      headers: {},
      body: body.replace(/[\da-f-]{36}/, (uuid) => uuid.toUpperCase()),
    },
    { what: 'a body that was changed', headers: genuine, body: `${body} ` },
    {
      what: 'an epoch that was changed',
      headers: { ...genuine, 'webhook-id': id.replace(/_\d+_/, '_9_') },
      body,
    },
    {
      what: 'a request to another address',
      headers: sign({ address: elsewhere, path, body, epoch }, now),
      body,
    },
    { what: 'a request to another path', headers: sign({ address, path: other, body, epoch }, now), body },
    {
      what: 'a request from ten minutes ago',
      headers: sign({ address, path, body, epoch }, now - TEN_MINUTES_MS),
      body,
    },
    {
      what: 'a request from ten minutes ahead',
      headers: sign({ address, path, body, epoch }, now + TEN_MINUTES_MS),
      body,
    },
  ];
}

/** The same host at the next port: an address that is certainly not the peer's. */
export function elsewhere(address: Address): Address {
  const port = address.port === 65_535 ? 1 : address.port + 1;
  return { ...address, port, key: address.key.replace(/:\d+$/, `:${port}`) };
}
