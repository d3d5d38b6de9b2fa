import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto';
import type { Address } from './address.ts';

/** A key that requests are signed with. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  /** The text that it was given as. A secret. */
  readonly text: string;
}

/** What of a request its signature is about. */
export interface Signable {
  readonly address: Address;
  readonly path: string;
  readonly body: string;
  /** The version of the address that the body tells; 0 where it tells none. */
  readonly epoch: string;
}

/** The headers that prove where a request comes from. `wallMs` is this machine's time: the receiver knows no other. */
export type Sign = (request: Signable, wallMs: number) => Readonly<Record<string, string>>;

const SECRET_PREFIX = 'whsk_';
const PUBLIC_PREFIX = 'whpk_';
const KEY_BYTES = 32;
/** RFC 8410: what stands before the 32 bytes of an ed25519 private key in PKCS #8. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * Signs by the asymmetric scheme of Standard Webhooks 1.0 (`v1a`, ed25519): `webhook-signature` holds one signature a key,
 * each over `<webhook-id>.<webhook-timestamp>.<body>`. Undefined without a key.
 *
 * The id says what the scheme leaves open, so that it is signed: `<path>_<epoch>_<a new UUID>_<ip:port>`, dots of the address
 * as hyphens. It is bound to the address that is dialled, not to the receiver's UUID: whoever makes us believe that
 * somebody's UUID lives at their own address would be given a request for that UUID, and could pass it on. It is new with
 * each attempt, as a change that is told again on purpose may not be dropped as a duplicate.
 *
 * @example
 * const sign = createSigner(config.signing.keys);
 * sign?.({ address, path: '/ip', body, epoch: '7' }, Date.now());
 * // { 'webhook-id': 'ip_7_1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b_203-0-113-9:80', 'webhook-timestamp': …, … }
 */
export function createSigner(keys: readonly SigningKey[]): Sign | undefined {
  if (keys.length === 0) return undefined;
  return ({ address, path, body, epoch }, wallMs) => {
    const id = [path.slice(1), epoch, randomUUID(), address.key.replaceAll('.', '-')].join('_');
    const timestamp = String(Math.floor(wallMs / 1_000));
    const content = Buffer.from(`${id}.${timestamp}.${body}`);
    const signatures = keys.map(
      ({ privateKey }) => `v1a,${sign(null, content, privateKey).toString('base64')}`,
    );
    return {
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    };
  };
}

/**
 * Reads `whsk_` and base64 of the 32 bytes of an ed25519 private key, alone or with its public key behind it (which is how
 * the scheme's reference server writes it). Undefined if it is none, or the halves do not belong together.
 */
export function parseSigningKey(text: string): SigningKey | undefined {
  const encoded = text.startsWith(SECRET_PREFIX) ? text.slice(SECRET_PREFIX.length) : '';
  const bytes = Buffer.from(encoded, 'base64');
  const given = bytes.subarray(KEY_BYTES);
  if (bytes.toString('base64') !== encoded || ![KEY_BYTES, 2 * KEY_BYTES].includes(bytes.length))
    return undefined;
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, bytes.subarray(0, KEY_BYTES)]),
    format: 'der',
    type: 'pkcs8',
  });
  if (given.length > 0 && !given.equals(publicBytes(privateKey))) return undefined;
  return { privateKey, text };
}

/** A new pair: `SIGNING_KEY`, and what peers verify with. */
export function createKeyPair(): { readonly secretKey: string; readonly publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d = '' } = privateKey.export({ format: 'jwk' });
  const publicKey = publicBytes(privateKey);
  const secret = Buffer.concat([Buffer.from(d, 'base64url'), publicKey]);
  return {
    secretKey: SECRET_PREFIX + secret.toString('base64'),
    publicKey: PUBLIC_PREFIX + publicKey.toString('base64'),
  };
}

function publicBytes(privateKey: KeyObject): Buffer {
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url');
}
