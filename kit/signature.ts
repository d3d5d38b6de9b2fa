import { createPublicKey, type KeyObject, verify } from 'node:crypto';

/** A request as it came: `path` as requested, `headers` with names in lower case, `body` as the bytes that were sent. */
export interface SignedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const FIVE_MINUTES_MS = 300_000;
const MOST_IDS = 100_000;
/** Each costs time, and a stranger can send as many as the headers have room for. */
const MOST_SIGNATURES = 4;

/**
 * Makes a function that answers the signed epoch of a genuine request, and undefined for any other request. `addresses` are
 * your own, each as `<ip>:<port>`, as senders know you. `keys` are the public keys (`whpk_…`) of the `uuid` in the body.
 */
export function createVerifier(addresses: readonly string[], nowMs: () => number = Date.now) {
  const seen = new Map<string, number>();
  const own = addresses.map((address) => address.replaceAll('.', '-'));

  return ({ path, headers, body }: SignedRequest, keys: readonly string[]): number | undefined => {
    const id = String(headers['webhook-id'] ?? '');
    const timestamp = String(headers['webhook-timestamp'] ?? '');
    const [kind = '', epoch = '', , recipient = ''] = id.split('_');
    if (`/${kind}` !== path || !own.includes(recipient) || !/^\d{1,16}$/.test(epoch)) return undefined;
    if (!(Math.abs(nowMs() - Number(timestamp) * 1_000) <= FIVE_MINUTES_MS)) return undefined;

    const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
    const signatures = String(headers['webhook-signature'] ?? '')
      .split(' ')
      .filter((entry) => entry.startsWith('v1a,'))
      .slice(0, MOST_SIGNATURES)
      .map((entry) => Buffer.from(entry.slice(4), 'base64'));
    const genuine = keys.some((key) =>
      signatures.some((signature) => verify(null, content, publicKey(key), signature)),
    );
    if (!genuine || seen.has(id)) return undefined;

    // An id can come again as long as its timestamp counts: five minutes, and five more for a clock that is ahead.
    for (const [old, at] of seen) {
      if (nowMs() - at < 2 * FIVE_MINUTES_MS && seen.size < MOST_IDS) break;
      seen.delete(old);
    }
    seen.set(id, nowMs());
    return Number(epoch);
  };
}

function publicKey(key: string): KeyObject {
  const x = Buffer.from(key.replace('whpk_', ''), 'base64').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}
