/** Thrown for what a user can put right (a used port, a wrong variable): its message is all that is shown of it. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
