import { readFileSync } from 'node:fs';

const read = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');

/**
 * A CA of the tests' own, and what a server called `localhost` needs to be trusted by it. Made once with openssl for a
 * hundred years (Node cannot make certificates): P-256, `subjectAltName=DNS:localhost` and no IP, so that a server
 * reached as 127.0.0.1 is the wrong host. The CA's key was thrown away.
 */
export const TEST_CA = read('ca.pem');
export const LOCALHOST = { key: read('localhost.key'), cert: read('localhost.pem') };
