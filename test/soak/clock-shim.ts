import { readFileSync } from 'node:fs';

/**
 * Loaded into the host before its own code: SIGUSR2 sets its wall clock off by the milliseconds in `SOAK_CLOCK_FILE`, as
 * an operator or NTP sets a machine's clock.
 */
const file = process.env.SOAK_CLOCK_FILE;
const realNow = Date.now;
let offsetMs = 0;
Date.now = () => realNow() + offsetMs;
if (file !== undefined) {
  process.on('SIGUSR2', () => {
    offsetMs = Number(readFileSync(file, 'utf8'));
  });
}
