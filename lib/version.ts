/** This software's version, as package.json has it: a constant, because a bundle would hold the whole of that file. */
export const VERSION = '0.1.0';

/** How our requests name this software. */
export const USER_AGENT = `p2p-consumer-scheduler/${VERSION}`;
