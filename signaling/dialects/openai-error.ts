import type { EarshotError, ErrorCode } from '../../src/core/errors.ts';
import type { HttpRefusal } from './dialect.ts';

/** Codes that the vendor's clients know; others are ours, in lower case. */
const CODES: Readonly<Partial<Record<ErrorCode, string>>> = {
  AUTH_TOKEN_MISSING: 'invalid_api_key',
  AUTH_TOKEN_INVALID: 'invalid_api_key',
  SESSION_EXPIRED: 'invalid_api_key',
  RATE_LIMITED: 'rate_limit_exceeded',
  BACKEND_RATE_LIMITED: 'rate_limit_exceeded',
  BUDGET_EXCEEDED: 'insufficient_quota',
  VALIDATION_ERROR: 'invalid_value',
};
/** Statuses that its clients understand otherwise, or not at all. */
const STATUSES: Readonly<Record<number, number>> = { 402: 429, 422: 400 };

const statusOf = ({ rule: { httpStatus } }: EarshotError): number => STATUSES[httpStatus] ?? httpStatus;

/** What an error is called in OpenAI's API, in answers and in events alike. */
export function openaiError(error: EarshotError): { readonly type: string; readonly code: string; readonly message: string; readonly param: string | null } {
  const status = statusOf(error);
  const code = CODES[error.code] ?? error.code.toLowerCase();
  const type = status >= 500 ? 'server_error' : status === 429 ? code : 'invalid_request_error';
  return { message: error.message, type, param: error.details[0]?.field ?? null, code };
}

/** A refusal in plain HTTP. */
export function openaiRefusal(error: EarshotError, requestId: string): HttpRefusal {
  return {
    status: statusOf(error),
    headers: {
      'x-request-id': requestId,
      // Its clients try some statuses again, whatever these mean.
      'x-should-retry': String(error.rule.retryable),
      ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }),
    },
    body: { error: openaiError(error) },
  };
}
