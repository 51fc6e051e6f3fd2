import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import type { EarshotError } from '../../src/core/errors.ts';
import type { Word } from '../../src/core/transcript.ts';
import type { HttpRefusal } from './dialect.ts';
import { roundedTo, seconds } from './fields.ts';

export const CREDITS_PER_MINUTE = 220;

/** What audio costs at the vendor's rate, in whole credits. */
export const credits = (samples: number, whole: (credits: number) => number = Math.ceil): number => whole((samples / SAMPLE_RATE_HZ / 60) * CREDITS_PER_MINUTE);

/** The vendor's word, in the names of its live and of its batch answers at once. */
export function audioPodWord(word: Word): object {
  const confidence = word.confidence === undefined ? undefined : roundedTo(word.confidence, 3);
  return {
    word: word.text,
    start: seconds(word.startSample),
    end: seconds(word.endSample),
    ...(confidence !== undefined && { confidence, probability: confidence }),
    ...(word.speaker && { speaker: word.speaker.label, speaker_label: word.speaker.label }),
  };
}

/** The vendor's code for what refused or ended a session, and the close code. A session that was open was at least saved. */
export function audioPodFault(error: EarshotError, wasOpen: boolean): readonly [code: string, closeCode: number] {
  switch (error.code) {
    case 'AUTH_TOKEN_MISSING':
    case 'AUTH_TOKEN_INVALID':
    case 'SESSION_EXPIRED':
      return ['UNAUTHORIZED', 1008];
    case 'AUTH_INSUFFICIENT_SCOPE':
    case 'AUTHZ_PERMISSION_DENIED':
      return ['PREMIUM_TIER_REQUIRED', 1008];
    case 'BUDGET_EXCEEDED':
      return [wasOpen ? 'MAX_DURATION_REACHED' : 'INSUFFICIENT_CREDITS', 1008];
    case 'SESSION_TOO_LONG':
      return ['MAX_DURATION_REACHED', 1008];
    case 'SESSION_IDLE':
      return ['IDLE_TIMEOUT', 1008];
    case 'MESSAGE_TOO_LARGE':
      return ['FRAME_TOO_LARGE', 1009];
    case 'RATE_LIMITED':
    case 'QUOTA_EXCEEDED':
      return ['RATE_LIMITED', 1013];
    default:
      return error.rule.httpStatus < 500 ? ['INVALID_CONFIG', 1008] : ['UPSTREAM_ERROR', error.rule.closeCode];
  }
}

/** A refusal in plain HTTP: `detail` is what the vendor's clients show. */
export function audioPodRefusal(error: EarshotError): HttpRefusal {
  const { httpStatus } = error.rule;
  const fields = error.details.map(({ field, message }) => `${field}: ${message}`).join('; ');
  const detail = error.details.length > 0 && !error.message.includes(fields) ? `${error.message} ${fields}` : error.message;
  return {
    status: httpStatus,
    headers: error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) },
    body: { ...(httpStatus === 402 && { error: 'insufficient_api_balance', message: error.message }), detail, code: error.code },
  };
}
