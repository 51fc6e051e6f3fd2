import { msToSamples } from '../../src/core/audio.ts';
import type { Transcript } from '../../src/core/session/transcribe.ts';
import { textOf, type Word } from '../../src/core/transcript.ts';
import type { AnalysisRequest } from '../../src/core/text-analysis.ts';
import { deepgramAnalysis, DeepgramFindings } from './deepgram-analysis.ts';
import { type DeepgramOptions, deepgramOptions } from './deepgram-options.ts';
import { alternative, modelInfo, MODEL_UUID } from './deepgram-results.ts';
import { meanConfidence, QueryReader, roundedTo, seconds, SpeakerNumbers } from './fields.ts';
import { cutWords, sentences } from './stretches.ts';

/** What the query of a recording asks for (`POST /v1/listen`). */
export interface DeepgramRecordingOptions extends DeepgramOptions {
  readonly paragraphs: boolean;
  readonly utterances: boolean;
  /** Silence between two utterances. */
  readonly utteranceSplitSamples: number;
  readonly detectLanguage: boolean;
  readonly analysis: AnalysisRequest | undefined;
  /** Where the answer goes instead. */
  readonly callback: string | undefined;
}

/** What the answer tells of the request. */
export interface DeepgramRequest {
  readonly id: string;
  /** Of the bytes, in hexadecimal; empty where they are unknown. */
  readonly sha256: string;
  readonly createdAtMs: number;
  readonly channels: number;
}

/** A run of words by one speaker. */
interface Stretch {
  readonly words: readonly Word[];
  readonly speaker: number | undefined;
}

const DEFAULT_UTTERANCE_SPLIT_SECONDS = 0.8;
/** A longer silence begins a paragraph, and so does a new speaker. */
const PARAGRAPH_PAUSE_SAMPLES = msToSamples(2000);

/** Throws `VALIDATION_ERROR` that names every parameter at fault. */
export function deepgramRecordingOptions(query: URLSearchParams): DeepgramRecordingOptions {
  const reader = new QueryReader(query);
  const options = deepgramOptions(reader);
  const splitSeconds = reader.number('utt_split', 0.1, 60) ?? DEFAULT_UTTERANCE_SPLIT_SECONDS;
  const method = reader.text('callback_method')?.toLowerCase();
  if (method !== undefined && method !== 'post') reader.refuse('callback_method', 'post: results are not sent in another way');
  const recording = {
    ...options,
    paragraphs: reader.flag('paragraphs') || reader.flag('smart_format'),
    utterances: reader.flag('utterances'),
    utteranceSplitSamples: msToSamples(splitSeconds * 1000),
    // Its values may also be the languages to choose from.
    detectLanguage: reader.all('detect_language').some((value) => value !== 'false'),
    analysis: deepgramAnalysis(reader),
    callback: reader.text('callback'),
  };
  reader.check();
  return recording;
}

/** The answer to a recording, in the vendor's shape. */
export function deepgramRecording(transcript: Transcript, options: DeepgramRecordingOptions, request: DeepgramRequest): object {
  const speakers = options.diarize ? new SpeakerNumbers() : undefined;
  const lanes = Array.from({ length: request.channels }, (_, lane) => transcript.utterances.filter(({ laneIndex }) => laneIndex === lane).flatMap(({ words }) => words));
  const findings = new DeepgramFindings(transcript.analysis ?? {}, lanes);
  return {
    metadata: {
      transaction_key: 'deprecated',
      request_id: request.id,
      sha256: request.sha256,
      created: new Date(request.createdAtMs).toISOString(),
      duration: roundedTo(transcript.durationMs / 1000, 3),
      channels: request.channels,
      models: [MODEL_UUID],
      model_info: { [MODEL_UUID]: modelInfo() },
      ...findings.warnings(),
      ...options.echoed,
    },
    results: {
      channels: lanes.map((words, lane) => channel(words, transcript, options, speakers, findings.entities(lane))),
      ...(options.utterances && { utterances: lanes.flatMap((words, lane) => utterances(words, lane, options, speakers, request.id)).sort((a, b) => a.start - b.start) }),
      ...findings.results(),
    },
  };
}

function channel(words: readonly Word[], { language }: Transcript, options: DeepgramRecordingOptions, speakers: SpeakerNumbers | undefined, entities: object): object {
  return {
    ...(options.detectLanguage && language !== undefined && { detected_language: language }),
    alternatives: [{ ...alternative(words, { punctuated: options.punctuated, speakers }), ...entities, ...(options.paragraphs && { paragraphs: paragraphs(words, speakers) }) }],
  };
}

function utterances(words: readonly Word[], lane: number, options: DeepgramRecordingOptions, speakers: SpeakerNumbers | undefined, requestId: string): { readonly start: number }[] {
  return stretches(words, options.utteranceSplitSamples, speakers).map(({ words: said, speaker }, index) => ({
    ...times(said),
    confidence: meanConfidence(said) ?? 0,
    channel: lane,
    ...alternative(said, { punctuated: options.punctuated, speakers }),
    ...(speaker !== undefined && { speaker }),
    id: utteranceId(requestId, lane, index),
  }));
}

function paragraphs(words: readonly Word[], speakers: SpeakerNumbers | undefined): object {
  const list = stretches(words, PARAGRAPH_PAUSE_SAMPLES, speakers);
  return {
    transcript: list.map(({ words: said, speaker }) => `\n${speaker === undefined ? '' : `Speaker ${String(speaker)}: `}${textOf(said)}`).join('\n'),
    paragraphs: list.map(({ words: said, speaker }) => ({
      sentences: sentences(said).map((sentence) => ({ text: textOf(sentence), ...times(sentence) })),
      ...(speaker !== undefined && { speaker }),
      num_words: said.length,
      ...times(said),
    })),
  };
}

/** Cuts words where the speaker changes, or falls silent for so long. */
function stretches(words: readonly Word[], pauseSamples: number, speakers: SpeakerNumbers | undefined): Stretch[] {
  const speakerOf = (word: Word): number | undefined => speakers && word.speaker && speakers.of(word.speaker);
  return cutWords(words, (last, next) => next.startSample - last.endSample >= pauseSamples || speakerOf(last) !== speakerOf(next)).map((said) => ({
    words: said,
    speaker: said[0] && speakerOf(said[0]),
  }));
}

const times = (words: readonly Word[]): { readonly start: number; readonly end: number } => ({ start: seconds(words[0]?.startSample ?? 0), end: seconds(words.at(-1)?.endSample ?? 0) });

/** The same every time the answer is made: the request's id with channel and place for its last twelve digits. */
const utteranceId = (requestId: string, lane: number, index: number): string => `${requestId.slice(0, 24)}${lane.toString(16).padStart(4, '0')}${index.toString(16).padStart(8, '0')}`;
