import type { EarshotError } from '../../src/core/errors.ts';
import { textOf, type Word } from '../../src/core/transcript.ts';
import type { HttpRefusal } from './dialect.ts';
import { meanConfidence, roundedTo, seconds, type SpeakerNumbers } from './fields.ts';

/** The model in the shape that the vendor's clients expect; there is one answer whatever model was asked for. */
export const MODEL_UUID = '00000000-0000-4000-8000-000000000001';
export const modelInfo = (): object => ({ name: 'earshot', version: '1', arch: 'earshot' });

/** One way to read a stretch of speech: its text and its words. `confidence` is 0 where the engine gives none. */
export function alternative(words: readonly Word[], options: { readonly punctuated: boolean; readonly speakers?: SpeakerNumbers | undefined }): object {
  return {
    transcript: textOf(words),
    confidence: meanConfidence(words) ?? 0,
    words: words.map((word) => ({
      word: bare(word.text),
      start: seconds(word.startSample),
      end: seconds(word.endSample),
      confidence: roundedTo(word.confidence ?? 0, 3),
      ...(options.punctuated && { punctuated_word: word.text }),
      ...(options.speakers && word.speaker && { speaker: options.speakers.of(word.speaker) }),
    })),
  };
}

/** Without the punctuation around it and, unless it stands for something blacked out, in lower case. */
function bare(text: string): string {
  const stripped = text.replace(/^[¿¡"“]+|[.,!?;:…"”]+$/gu, '');
  return /^\[[A-Z]+(_\d+)?\]$/.test(stripped) ? stripped : stripped.toLowerCase();
}

/** The vendor's error codes, by ours; the HTTP status in front. */
const REFUSALS: Readonly<Record<number, readonly [number, string]>> = {
  400: [400, 'Bad Request'],
  401: [401, 'INVALID_AUTH'],
  402: [402, 'ASR_PAYMENT_REQUIRED'],
  403: [403, 'INSUFFICIENT_PERMISSIONS'],
  404: [404, 'NOT_FOUND'],
  413: [413, 'PAYLOAD_TOO_LARGE'],
  415: [400, 'PAYLOAD_ERROR'],
  422: [400, 'INVALID_QUERY_PARAMETER'],
  429: [429, 'TOO_MANY_REQUESTS'],
  503: [503, 'SERVICE_UNAVAILABLE'],
  504: [504, 'GATEWAY_TIMEOUT'],
};

/** A refusal in the vendor's shape, before the upgrade or in answer to a request. */
export function deepgramError(error: EarshotError, requestId: string): HttpRefusal {
  const isUnknown = error.code === 'FEATURE_NOT_ENABLED';
  const [status, code] = isUnknown ? [400, 'INVALID_QUERY_PARAMETER'] : error.code.startsWith('AUDIO_') && error.rule.httpStatus !== 413 ? [400, 'PAYLOAD_ERROR'] : (REFUSALS[error.rule.httpStatus] ?? [500, 'INTERNAL_SERVER_ERROR']);
  return {
    status,
    headers: {
      'dg-request-id': requestId,
      'dg-error': code,
      ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }),
    },
    body: { err_code: code, err_msg: error.message, request_id: requestId },
  };
}
