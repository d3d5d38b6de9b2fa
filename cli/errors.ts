/** Thrown for a command line that is not usable. `command` is the one whose help says more. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly command: string | undefined;
  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}

/** Thrown when a deployed function could not be run, or did not end well. `cause` is the SDK's error, if it is one. */
export class StageError extends Error {
  override readonly name = 'StageError';
}

/** Thrown when the operator interrupted the command. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}
