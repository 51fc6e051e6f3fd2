import { nativeDetails } from '../../signaling/dialects/scaiecho.ts';
import { EarshotError, toEarshotError } from '../core/errors.ts';

/** ScaiEcho's answer to what went well. */
export function okBody(data: unknown, requestId: string): object {
  return { status: 'ok', data, meta: { request_id: requestId } };
}

/** ScaiEcho's answer to what did not. */
export function errorBody(error: EarshotError, requestId: string): object {
  return {
    status: 'error',
    error: {
      code: error.code,
      message: error.message,
      retry_after: error.retryAfterSeconds ?? null,
      ...(error.details.length > 0 && { details: nativeDetails(error.details) }),
    },
    meta: { request_id: requestId },
  };
}

/** What fastify and its plugins throw, in our codes. */
export function httpError(thrown: unknown): EarshotError {
  if (thrown instanceof EarshotError) return thrown;
  const { statusCode, code } = thrown as { readonly statusCode?: number; readonly code?: string };
  const known = toEarshotError(thrown);
  if (statusCode === 413) return new EarshotError('MESSAGE_TOO_LARGE', 'The request body is too large.', { cause: thrown });
  if (statusCode === 415 || code === 'FST_INVALID_MULTIPART_CONTENT_TYPE') {
    return new EarshotError('VALIDATION_ERROR', 'The content type is not one that this route takes.', { cause: thrown });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new EarshotError('MESSAGE_MALFORMED', 'The request cannot be parsed.', { cause: thrown });
  }
  return known;
}
