import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 100;

/**
 * Asks again and again until `probe` answers something other than `undefined` or `false`, and resolves with that.
 * Rejects after `timeoutMs` (default 60 s: the machine may be busy) with what was waited for and what was seen last.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  options: { readonly timeoutMs?: number; readonly seen?: () => unknown } = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadlineMs) {
      const seen = options.seen ? `; seen last: ${JSON.stringify(options.seen())}` : '';
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}${seen}`);
    }
    await pause(POLL_MS);
  }
}

/** Rejects with `what` if the promise takes longer than `timeoutMs` (default 2 minutes). */
export async function within<T>(what: string, promise: Promise<T>, timeoutMs = 120_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${timeoutMs / 1000} s: ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
