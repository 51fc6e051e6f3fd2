import type { Clock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';

const MAX_ATTEMPTS = 3;
/** Who asks us to wait longer than this is not worth a caption's delay: the caller is told, and goes elsewhere. */
const MAX_WAIT_SECONDS = 2;

/**
 * The one place where a relay tries again: at most three attempts, and only after an error that says when it is worth it
 * (`retryAfterSeconds`), waiting that long. What a stream loses in the midst of speech is not tried again here: failover does that.
 */
export async function retrying<T>(clock: Clock, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      const seconds = error instanceof EarshotError ? error.retryAfterSeconds : undefined;
      if (seconds === undefined || seconds > MAX_WAIT_SECONDS || attempts === MAX_ATTEMPTS || signal.aborted) throw error;
      await pause(clock, seconds * 1000, signal);
    }
  }
}

/** Resolves after the time; rejects with the signal's reason if it aborts first. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
