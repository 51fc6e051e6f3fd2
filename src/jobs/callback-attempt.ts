import type { Clock } from '../core/clock.ts';
import type { CallbackRecord } from '../core/store/jobs.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { signCallback } from './callback-signature.ts';

export interface CallbackAttemptOptions {
  readonly outbound: Outbound;
  /** The tenant's secret; made when there is none. */
  readonly secretOf: (tenantId: string) => Promise<string>;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Time that one attempt may take. */
  readonly timeoutMs: number;
}

/** Sends a callback once, signed. Resolves with what went wrong, or nothing where the receiver answered with 2xx. Never rejects. */
export async function attemptCallback(options: CallbackAttemptOptions, callback: Pick<CallbackRecord, 'id' | 'tenantId' | 'url' | 'method' | 'body'>, signal: AbortSignal): Promise<string | undefined> {
  const { outbound, secretOf, clock, now, timeoutMs } = options;
  const { id, tenantId, url, method, body } = callback;
  const attempt = new AbortController();
  const onStop = (): void => {
    attempt.abort(new Error('the server stops'));
  };
  const cancel = clock.setTimer(timeoutMs, () => {
    attempt.abort(new Error('no answer in time'));
  });
  signal.addEventListener('abort', onStop, { once: true });
  if (signal.aborted) onStop();
  try {
    const headers = { 'content-type': 'application/json', ...signCallback(await secretOf(tenantId), id, body, now()) };
    const answer = await outbound.request(url, { method, headers, body, signal: attempt.signal });
    answer.discard();
    // A redirect is no answer: the address is the client's to name.
    return answer.status >= 200 && answer.status < 300 ? undefined : `status ${String(answer.status)}`;
  } catch (error) {
    return (error as Error).message;
  } finally {
    cancel();
    signal.removeEventListener('abort', onStop);
  }
}
