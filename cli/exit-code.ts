/**
 * Exit codes, for scripts. `host` has its own (`EXIT` of host/main.ts).
 *
 * - `ok`: done, or all is well.
 * - `attention`: something is wrong, unknown or not done, and the output says what.
 * - `usage`: the command line is not usable.
 * - `unavailable`: nothing could be found out: the configuration is not usable, Redis or AWS could not be asked, or Redis
 *   belongs to another consumer.
 * - `broken`: a mistake in this program (EX_SOFTWARE of sysexits(3)).
 * - `interrupted`: Ctrl-C or SIGTERM.
 */
export const EXIT = {
  ok: 0,
  attention: 1,
  usage: 2,
  unavailable: 3,
  broken: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
