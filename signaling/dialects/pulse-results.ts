import type { EarshotError } from '../../src/core/errors.ts';
import type { Utterance, Word } from '../../src/core/transcript.ts';
import type { DialectAddress, HttpRefusal } from './dialect.ts';
import { roundedTo, seconds, type SpeakerNumbers } from './fields.ts';

/** A refusal in the vendor's shape; `message` is what some clients read instead of `error`. */
export function pulseError(error: EarshotError, requestId: string): HttpRefusal {
  const { httpStatus } = error.rule;
  const isRequest = httpStatus === 422 || httpStatus === 415 || httpStatus === 404;
  return {
    status: isRequest ? 400 : httpStatus,
    headers: { 'x-request-id': requestId, ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }) },
    body: { error: error.message, message: error.message, request_id: requestId },
  };
}

/** What is answered to who asks that nothing be kept: how long texts are kept is the operator's to say. */
export const contentExpiry = (headers: DialectAddress['headers']): Readonly<Record<string, string>> => (headers['x-expire-content'] === undefined ? {} : { 'x-content-expiry': 'unavailable' });

/** `speakers`: undefined where they were not asked for. */
export function pulseWord(word: Word, speakers: SpeakerNumbers | undefined): object {
  return {
    word: word.text,
    start: seconds(word.startSample),
    end: seconds(word.endSample),
    ...(word.confidence !== undefined && { confidence: roundedTo(word.confidence, 3) }),
    ...(speakers && word.speaker && { speaker: speakers.of(word.speaker) }),
  };
}

/** The text is under both keys that the vendor's clients read. */
export function pulseUtterance({ text, startSample, endSample, speaker }: Utterance, speakers: SpeakerNumbers | undefined): object {
  return {
    text,
    transcript: text,
    start: seconds(startSample),
    end: seconds(endSample),
    ...(speakers && speaker && { speaker: speakers.of(speaker) }),
  };
}

/** What stands in these utterances for something blacked out, each once. */
export function redactedEntities(utterances: readonly Utterance[]): readonly string[] {
  const marks = utterances.flatMap(({ words }) => words.flatMap(({ text }) => /\[[A-Z]+_\d+\]/.exec(text)?.[0] ?? []));
  return [...new Set(marks)];
}
