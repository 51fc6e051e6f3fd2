import { EarshotError } from '../src/core/errors.ts';

/**
 * Tells new bytes from repeated ones in a stream whose client says where it goes on. Pure: no time, no sockets.
 * Of clients that do not say it, `AudioLedger` finds out.
 */
export class NumberedLedger {
  #position = 0;
  /** Bytes to come that are here already. */
  #repeated = 0;

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /** The next byte that comes is this one. Throws `VALIDATION_ERROR` where bytes before it never came. */
  resume(position: number): void {
    if (position > this.#position) {
      throw new EarshotError('VALIDATION_ERROR', 'There are bytes before this position that did not arrive.', {
        details: [{ field: 'resume.position', message: `at most ${String(this.#position)}` }],
      });
    }
    this.#repeated = this.#position - position;
  }

  /** Takes bytes of the current connection; answers those that are new. */
  take(bytes: Uint8Array): Uint8Array {
    const fresh = bytes.subarray(Math.min(this.#repeated, bytes.length));
    this.#repeated -= bytes.length - fresh.length;
    this.#position += fresh.length;
    return fresh;
  }
}
