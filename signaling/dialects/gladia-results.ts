import type { EarshotError } from '../../src/core/errors.ts';
import { textOf, type Utterance } from '../../src/core/transcript.ts';
import type { HttpRefusal } from './dialect.ts';
import { meanConfidence, roundedTo, seconds } from './fields.ts';
import type { GladiaInit } from './gladia-init.ts';

/** Why an add-on has no result: the vendor's `error` of a message. */
export const NO_LANGUAGE_MODEL = { message: 'This server has no language model for it.' } as const;

/** Words, and so the text, begin with a blank. `confidence` is 0 where the engine gives none. */
export function gladiaUtterance({ words, startSample, endSample, laneIndex }: Utterance, language: string | undefined): object {
  return {
    text: words.length === 0 ? '' : ` ${textOf(words)}`,
    start: seconds(startSample),
    end: seconds(endSample),
    ...(language !== undefined && { language }),
    channel: laneIndex,
    confidence: meanConfidence(words) ?? 0,
    words: words.map((word) => ({
      word: ` ${word.text}`,
      start: seconds(word.startSample),
      end: seconds(word.endSample),
      confidence: roundedTo(word.confidence ?? 0, 3),
    })),
  };
}

/** The whole of what was heard. */
export function gladiaTranscription(utterances: readonly Utterance[], language: string | undefined): object {
  const ordered = utterances.toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex);
  return {
    full_transcript: ordered.map(({ words }) => textOf(words)).join(' '),
    languages: language === undefined || utterances.length === 0 ? [] : [language],
    utterances: ordered.map((utterance) => gladiaUtterance(utterance, language)),
  };
}

/** What a session left, with every add-on that was asked for told to have failed. */
export function gladiaResult(
  init: GladiaInit,
  heard: { readonly utterances: readonly Utterance[]; readonly language: string | undefined; readonly durationSeconds: number; readonly tookSeconds: number },
): object {
  const { realtime_processing: realtime, post_processing: post } = init;
  return {
    metadata: {
      audio_duration: heard.durationSeconds,
      number_of_distinct_channels: init.channels,
      billing_time: roundedTo(heard.durationSeconds * init.channels, 3),
      transcription_time: heard.tookSeconds,
    },
    transcription: gladiaTranscription(heard.utterances, heard.language),
    ...(realtime?.translation && { translation: NOT_OFFERED }),
    ...(post?.summarization && { summarization: NOT_OFFERED }),
    ...(realtime?.named_entity_recognition && { named_entity_recognition: { ...NOT_OFFERED, entity: '' } }),
    ...(realtime?.sentiment_analysis && { sentiment_analysis: { ...NOT_OFFERED, results: '' } }),
  };
}

const NOT_OFFERED = {
  success: false,
  is_empty: true,
  exec_time: 0,
  error: { status_code: 501, exception: 'NotEnabled', message: NO_LANGUAGE_MODEL.message },
  results: null,
};

/** The vendor has no status for these. */
const STATUSES: Readonly<Record<number, number>> = { 402: 403, 409: 403, 408: 400, 415: 400, 422: 400 };

/** A refusal in the vendor's shape. */
export function gladiaError(error: EarshotError, requestId: string, path: string): HttpRefusal & { readonly body: GladiaErrorBody } {
  const { httpStatus } = error.rule;
  const statusCode = STATUSES[httpStatus] ?? httpStatus;
  return {
    status: statusCode,
    headers: error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) },
    body: {
      timestamp: new Date().toISOString(),
      path,
      request_id: requestId,
      statusCode,
      message: error.code === 'VALIDATION_ERROR' ? 'Validation error' : error.message,
      ...(error.details.length > 0 && { validation_errors: error.details.map(({ field, message }) => `${field}: ${message}`) }),
    },
  };
}

export interface GladiaErrorBody {
  readonly timestamp: string;
  readonly path: string;
  readonly request_id: string;
  readonly statusCode: number;
  readonly message: string;
  readonly validation_errors?: readonly string[];
}
