/** What to tell the user, and the exit code: 2 for a wrong call, 1 for a failure. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}
