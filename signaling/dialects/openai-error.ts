import type { EarshotError } from '../../src/core/errors.ts';
import type { HttpRefusal } from './dialect.ts';

/** What an error is called in OpenAI's API. */
export function openaiError(error: EarshotError): { readonly type: string; readonly code: string; readonly message: string; readonly param: string | null } {
  const { httpStatus } = error.rule;
  const code = CODES[httpStatus] ?? error.code.toLowerCase();
  return { type: httpStatus >= 500 ? 'server_error' : 'invalid_request_error', code, message: error.message, param: error.details[0]?.field ?? null };
}

/** A refusal in plain HTTP. */
export function openaiRefusal(error: EarshotError, requestId: string): HttpRefusal {
  const { httpStatus } = error.rule;
  return {
    status: STATUSES[httpStatus] ?? httpStatus,
    headers: { 'x-request-id': requestId, ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }) },
    body: { error: openaiError(error) },
  };
}

/** The vendor's clients know these. */
const CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 402: 'insufficient_quota', 422: 'invalid_value', 429: 'rate_limit_exceeded' };
const STATUSES: Readonly<Record<number, number>> = { 402: 429, 422: 400 };
