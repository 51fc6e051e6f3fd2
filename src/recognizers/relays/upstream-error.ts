import { EarshotError } from '../../core/errors.ts';
import type { z } from 'zod';

/** What an upstream that limits us does not say itself. */
const DEFAULT_RATE_LIMIT_SECONDS = 5;
const DEFAULT_RETRY_SECONDS = 1;
const MAX_RETRY_AFTER_SECONDS = 3600;

/**
 * What an HTTP status of the upstream means to us. Its text is never passed on: some upstreams quote the key in it.
 * Where another try may help, the error says when.
 */
export function statusError(relayId: string, status: number, retryAfter: string | null | undefined): EarshotError {
  const seconds = retryAfterSeconds(retryAfter);
  const told = ` (HTTP ${String(status)})`;
  if (status === 401 || status === 403) return unavailable(relayId, `its upstream refuses the API key${told}; the operator must check it`);
  if (status === 402) return unavailable(relayId, `its upstream asks for payment${told}`);
  if (status === 429) {
    return new EarshotError('BACKEND_RATE_LIMITED', `Relay ${relayId}: its upstream asks to slow down${told}.`, {
      retryAfterSeconds: seconds ?? DEFAULT_RATE_LIMIT_SECONDS,
    });
  }
  if (status === 408 || status === 504) return timeout(relayId, `its upstream gave up${told}`);
  if (status >= 500) return unavailable(relayId, `its upstream fails${told}`, { retryAfterSeconds: seconds ?? DEFAULT_RETRY_SECONDS });
  if (status >= 400) return new EarshotError('BACKEND_ERROR', `Relay ${relayId}: its upstream refuses the request${told}.`);
  return misshapen(relayId, `its upstream answers with an unexpected status${told}`);
}

/** The upstream cannot be reached, or went away before it answered. */
export function lostError(relayId: string, cause: unknown): EarshotError {
  return unavailable(relayId, 'its upstream cannot be reached or broke off', { cause, retryAfterSeconds: DEFAULT_RETRY_SECONDS });
}

export function unavailable(relayId: string, what: string, extras: { readonly cause?: unknown; readonly retryAfterSeconds?: number } = {}): EarshotError {
  return new EarshotError('BACKEND_UNAVAILABLE', `Relay ${relayId}: ${what}.`, extras);
}

export function timeout(relayId: string, what: string): EarshotError {
  return new EarshotError('BACKEND_TIMEOUT', `Relay ${relayId}: ${what}.`);
}

export function misshapen(relayId: string, what: string, cause?: unknown): EarshotError {
  return new EarshotError('UPSTREAM_SHAPE_MISMATCH', `Relay ${relayId}: ${what}.`, { cause });
}

/** The stream was closed while words were awaited. */
export const closedError = (): EarshotError => new EarshotError('SESSION_CONFLICT', 'The stream is closed.');

/** JSON text of the upstream in the shape it should have, or `UPSTREAM_SHAPE_MISMATCH`. The text itself stays out of the error: it is a transcript. */
export function shaped<T extends z.ZodType>(schema: T, text: string, relayId: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw misshapen(relayId, 'its upstream sent something that is not JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join('.') ?? '';
  throw misshapen(relayId, `its upstream's message has an unexpected shape${where === '' ? '' : ` at ${where}`}`);
}

/** `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfterSeconds(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.ceil(Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(0, seconds))) : undefined;
}
