import { createKeyPair } from '../lib/peers/signing.ts';

/** `npm run keygen`: prints a new pair for signing requests. Nothing is stored. */
const { secretKey, publicKey } = createKeyPair();
process.stdout.write(`# Secret. For the scheduler alone, see docs/SIGNING.md:
SIGNING_KEY=${secretKey}
# For peers, who verify with it:
${publicKey}
`);
