import type { Clock } from '../core/clock.ts';
import type { CallbackRecord } from '../core/store/jobs.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { signCallback } from './callback-signature.ts';

/** How an attempt ended. */
export interface AttemptResult {
  /** What the receiver answered, if it did. */
  readonly status?: number;
  /** For people; undefined: the receiver has taken it. */
  readonly problem?: string;
}

export type Headers = Readonly<Record<string, string>>;

export interface SendOptions {
  readonly outbound: Outbound;
  readonly clock: Clock;
  /** Time that the attempt may take. */
  readonly timeoutMs: number;
}

export interface CallbackAttemptOptions extends SendOptions {
  /** The tenant's secret; made when there is none. */
  readonly secretOf: (tenantId: string) => Promise<string>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type Callback = Pick<CallbackRecord, 'id' | 'tenantId' | 'url' | 'method' | 'body'>;

/** Sends a callback once, signed. Resolves with what went wrong, or nothing where the receiver answered with 2xx. Never rejects. */
export async function attemptCallback(options: CallbackAttemptOptions, callback: Callback, signal: AbortSignal): Promise<string | undefined> {
  return (await sendCallback(options, callback, () => signedHeaders(options, callback), signal)).problem;
}

/** Headers in the server's own way. */
export async function signedHeaders({ secretOf, now }: Pick<CallbackAttemptOptions, 'secretOf' | 'now'>, { id, tenantId, body }: Callback): Promise<Headers> {
  return { ...signCallback(await secretOf(tenantId), id, body, now()) };
}

/** Sends a callback once. Never rejects. */
export async function sendCallback({ outbound, clock, timeoutMs }: SendOptions, { url, method, body }: Callback, headersOf: () => Promise<Headers>, signal: AbortSignal): Promise<AttemptResult> {
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
    const answer = await outbound.request(url, { method, headers: { 'content-type': 'application/json', ...(await headersOf()) }, body, signal: attempt.signal });
    answer.discard();
    const { status } = answer;
    // A redirect is no answer: the address is the client's to name.
    return status >= 200 && status < 300 ? { status } : { status, problem: `status ${String(status)}` };
  } catch (error) {
    return { problem: (error as Error).message };
  } finally {
    cancel();
    signal.removeEventListener('abort', onStop);
  }
}
