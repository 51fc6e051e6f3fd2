import type { EarshotError } from '../../src/core/errors.ts';
import { textOf, type Utterance, type Word } from '../../src/core/transcript.ts';
import type { HttpRefusal } from './dialect.ts';
import { meanConfidence, roundedTo, seconds, type SpeakerNumbers } from './fields.ts';
import { cutWords, sentences } from './stretches.ts';

/** How utterances are written. */
export interface UtteranceStyle {
  readonly language: string | undefined;
  /** Live, text and each word begin with a blank; recorded, the first word of an utterance has none. */
  readonly isLive: boolean;
  /** Speakers were asked for: each is a number, and utterances are cut where they change. */
  readonly speakers?: SpeakerNumbers;
}

/** Joined, the words are the text. `confidence` is 0 where the engine gives none. */
export function gladiaUtterance({ words, startSample, endSample, laneIndex, speaker }: Utterance, { language, isLive, speakers }: UtteranceStyle): object {
  const blank = (index: number): string => (isLive || index > 0 ? ' ' : '');
  return {
    text: words.length === 0 ? '' : `${blank(0)}${textOf(words)}`,
    start: seconds(startSample),
    end: seconds(endSample),
    ...(language !== undefined && { language }),
    channel: laneIndex,
    ...(speakers && speaker && { speaker: speakers.of(speaker) }),
    confidence: meanConfidence(words) ?? 0,
    words: words.map((word, index) => ({
      word: `${blank(index)}${word.text}`,
      start: seconds(word.startSample),
      end: seconds(word.endSample),
      confidence: roundedTo(word.confidence ?? 0, 3),
    })),
  };
}

/** The whole of what was heard. */
export function gladiaTranscription(utterances: readonly Utterance[], style: UtteranceStyle): object {
  const ordered = inOrder(utterances);
  return {
    full_transcript: ordered.map(({ words }) => textOf(words)).join(' '),
    languages: style.language === undefined || utterances.length === 0 ? [] : [style.language],
    utterances: (style.speakers ? ordered.flatMap(bySpeaker) : ordered).map((utterance) => gladiaUtterance(utterance, style)),
  };
}

/** Sentences of all channels, in order of their utterances, in the vendor's block. */
export function sentencesBlock(utterances: readonly { readonly words: readonly Word[] }[]): object {
  const results = utterances.flatMap(({ words }) => sentences(words).map(textOf));
  return { success: true, is_empty: results.length === 0, exec_time: 0, error: null, results };
}

/** Numbers of a recording. */
export function gladiaMetadata(channels: number, durationSeconds: number, tookSeconds: number): object {
  return {
    audio_duration: durationSeconds,
    number_of_distinct_channels: channels,
    billing_time: roundedTo(durationSeconds * channels, 3),
    transcription_time: tookSeconds,
  };
}

export const inOrder = (utterances: readonly Utterance[]): readonly Utterance[] => utterances.toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex);

/** One utterance for each speaker in it. */
function bySpeaker(utterance: Utterance): Utterance[] {
  const runs = cutWords(utterance.words, (last, next) => last.speaker?.label !== next.speaker?.label);
  if (runs.length <= 1) return [utterance];
  return runs.map((words) => {
    const { speaker } = words[0]!;
    return { ...utterance, text: textOf(words), words, startSample: words[0]!.startSample, endSample: words.at(-1)!.endSample, stableWords: words.length, ...(speaker && { speaker }) };
  });
}

/** The vendor has no status for these. */
const STATUSES: Readonly<Record<number, number>> = { 402: 403, 409: 403, 408: 400, 415: 400, 422: 400 };

/** A refusal in the vendor's shape. */
export function gladiaError(error: EarshotError, requestId: string, path: string): HttpRefusal & { readonly body: GladiaErrorBody } {
  const { httpStatus } = error.rule;
  const statusCode = STATUSES[httpStatus] ?? httpStatus;
  return {
    status: statusCode,
    // The vendor's packages put this header into their errors.
    headers: { 'x-aipi-call-id': requestId, ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }) },
    body: {
      timestamp: new Date().toISOString(),
      path,
      request_id: requestId,
      statusCode,
      message: error.code === 'VALIDATION_ERROR' ? 'Validation error' : error.message,
      ...(error.details.length > 0 && { validation_errors: error.details.map(({ field, message }) => `${field === 'language' ? 'language_config.languages' : field}: ${message}`) }),
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
