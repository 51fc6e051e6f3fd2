import type { FeatureOf } from '../../../compatibility/proving.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import type { Analysis, Found } from '../../../src/core/text-analysis.ts';
import type { TranscriptEvent, Utterance } from '../../../src/core/transcript.ts';
import { HELLO_WORLD } from './vector.ts';

/** What comes to the codec of a live session, from wherever, and what follows from it. A binary frame is one character a byte. */
export type GladiaStep =
  | { readonly client: string | { readonly binary: string }; readonly frames?: readonly object[]; readonly commands: readonly object[] }
  /** So many bytes were taken, and are acknowledged. */
  | { readonly taken: readonly [from: number, to: number]; readonly frames: readonly object[] }
  | { readonly event: TranscriptEvent; readonly frames: readonly object[] }
  | { readonly found: Analysis; readonly of: Utterance; readonly frames: readonly object[] }
  | { readonly summary: Found<string>; readonly frames: readonly object[] }
  | { readonly fault: ErrorCode; readonly closeCode: number };

export interface GladiaVector {
  readonly name: string;
  /** Features of the compatibility table that it shows. */
  readonly proves?: readonly FeatureOf<'gladia'>[];
  readonly init: object;
  readonly begins: readonly object[];
  readonly steps: readonly GladiaStep[];
  /** What the callback was told, in order. */
  readonly callbacks?: readonly string[];
}

const head = (type: string): object => ({ type, session_id: 'S', created_at: 'TIME' });
const utterance = {
  text: ' hello World',
  start: 1,
  end: 1.8,
  language: 'en',
  channel: 0,
  confidence: 0.8,
  words: [
    { word: ' hello', start: 1, end: 1.3, confidence: 0.9 },
    { word: ' World', start: 1.3, end: 1.8, confidence: 0.7 },
  ],
};
const transcription = { full_transcript: 'hello World', languages: ['en'], utterances: [utterance] };
const place = { laneIndex: 0, startSample: 16_000, endSample: 28_800 };
const time = { start: 1, end: 1.8 };
const ok = { success: true, is_empty: false, exec_time: 0.25, error: null };
const translated = { text: 'salut Monde', ...time, language: 'fr', channel: 0, confidence: 0, words: [{ word: 'salut', ...time, confidence: 0 }, { word: ' Monde', ...time, confidence: 0 }] };
const entity = { entity_type: 'PLANET', text: 'World', start: 1.3, end: 1.8 };
const sentiment = { sentiment: 'positive', emotion: 'elation', text: 'hello World', ...time, channel: 0 };
const about = { utterance_id: '00_00000000', utterance };
const FOUND: Analysis = {
  translations: [{ language: 'fr', found: { value: [{ text: 'salut Monde', ...place }], tookMs: 250 } }],
  entities: { value: [{ type: 'PLANET', text: 'World', laneIndex: 0, startSample: 20_800, endSample: 28_800 }], tookMs: 250 },
  sentiments: { value: [{ text: 'hello World', ...place, sentiment: 'positive', emotion: 'elation' }], tookMs: 250 },
};
const NOT_ENABLED = { error: { code: 'FEATURE_NOT_ENABLED', message: 'none' }, tookMs: 0 } as const;
const FAILED = { error: { message: 'none' }, data: null };
const off = { success: false, is_empty: true, exec_time: 0, error: { status_code: 501, exception: 'NotEnabled', message: 'none' }, results: null };

const ADD_ONS = {
  realtime_processing: { translation: true, translation_config: { target_languages: ['fr'] }, named_entity_recognition: true, sentiment_analysis: true },
  post_processing: { summarization: true },
};
const EVERY_FLAG = { receive_partial_transcripts: true, receive_lifecycle_events: true };
const STOPPED = { ...head('stop_recording'), acknowledged: true, error: null, data: { recording_duration: 2, recording_left_to_process: 1 } };
const FINAL: TranscriptEvent = { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' };
const CLOSED: TranscriptEvent = { type: 'session.closed', reason: 'finished', lanes: [{ laneIndex: 0, heardSamples: 32_000, speechSamples: 16_000, gapSamples: 0 }] };
const metadata = { audio_duration: 2, number_of_distinct_channels: 1, billing_time: 2, transcription_time: 0 };

export const GLADIA_VECTORS: readonly GladiaVector[] = [
  {
    name: 'a session with everything, each message under its flag, from its start to its end',
    proves: ['live: binary and base64 audio'],
    init: { ...ADD_ONS, messages_config: EVERY_FLAG, callback: true, callback_config: { url: 'https://example.com/' } },
    begins: [head('start_session')],
    steps: [
      { client: { binary: 'abcd' }, frames: [head('start_recording')], commands: [{ type: 'audio', binary: 'abcd' }] },
      { client: '{"type":"audio_chunk","data":{"chunk":"ZWY="}}', commands: [{ type: 'audio', binary: 'ef' }] },
      { taken: [0, 64_000], frames: [{ ...head('audio_chunk'), acknowledged: true, error: null, data: { byte_range: [0, 64_000], time_range: [0, 2] } }] },
      { client: '{"type":"audio_chunk","data":{"chunk":"?"}}', frames: [{ ...head('audio_chunk'), acknowledged: false, error: { message: 'data.chunk is not audio in base64.' }, data: null }], commands: [] },
      { event: { type: 'speech.started', laneIndex: 0, atSample: 16_000 }, frames: [{ ...head('speech_start'), data: { time: 1, channel: 0 } }] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [{ ...head('transcript'), data: { id: '00_00000000', is_final: false, utterance } }] },
      { event: { type: 'speech.ended', laneIndex: 0, atSample: 28_800 }, frames: [{ ...head('speech_end'), data: { time: 1.8, channel: 0 } }] },
      { event: FINAL, frames: [{ ...head('transcript'), data: { id: '00_00000000', is_final: true, utterance } }] },
      {
        found: FOUND,
        of: HELLO_WORLD,
        frames: [
          { ...head('translation'), error: null, data: { ...about, original_language: 'en', target_language: 'fr', translated_utterance: translated } },
          { ...head('named_entity_recognition'), error: null, data: { ...about, results: [entity] } },
          { ...head('sentiment_analysis'), error: null, data: { ...about, results: [sentiment] } },
        ],
      },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 16_000 }, frames: [] },
      { client: '{"type":"stop_recording"}', frames: [STOPPED], commands: [{ type: 'finish' }] },
      { summary: { value: 'A greeting.', tookMs: 250 }, frames: [] },
      {
        event: CLOSED,
        frames: [
          { ...head('end_recording'), data: { recording_duration: 2 } },
          { ...head('post_transcript'), data: transcription },
          { ...head('post_summarization'), error: null, data: { results: 'A greeting.' } },
          {
            ...head('post_final_transcript'),
            data: {
              metadata,
              transcription,
              translation: { ...ok, results: [{ error: null, full_transcript: 'salut Monde', languages: ['fr'], utterances: [translated] }] },
              summarization: { ...ok, results: 'A greeting.' },
              named_entity_recognition: { ...ok, results: [entity] },
              sentiment_analysis: { ...ok, results: JSON.stringify([sentiment]) },
            },
          },
          head('end_session'),
        ],
      },
    ],
    callbacks: ['start_session', 'start_recording', 'transcript', 'translation', 'named_entity_recognition', 'sentiment_analysis', 'end_recording', 'post_transcript', 'post_summarization', 'post_final_transcript', 'end_session'],
  },
  {
    name: 'the defaults: no partial transcripts and no lifecycle; a stop that comes twice is answered twice',
    init: {},
    begins: [],
    steps: [
      { client: { binary: 'ab' }, commands: [{ type: 'audio', binary: 'ab' }] },
      { taken: [0, 64_000], frames: [{ ...head('audio_chunk'), acknowledged: true, error: null, data: { byte_range: [0, 64_000], time_range: [0, 2] } }] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [] },
      { event: FINAL, frames: [{ ...head('transcript'), data: { id: '00_00000000', is_final: true, utterance } }] },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 16_000 }, frames: [] },
      { client: '{"type":"stop_recording"}', frames: [STOPPED], commands: [{ type: 'finish' }] },
      { client: '{"type":"stop_recording"}', frames: [STOPPED], commands: [{ type: 'finish' }] },
      { event: CLOSED, frames: [{ ...head('post_transcript'), data: transcription }, { ...head('post_final_transcript'), data: { metadata, transcription } }] },
    ],
  },
  {
    name: 'without a language model each add-on says so',
    init: { ...ADD_ONS, messages_config: { receive_acknowledgments: false } },
    begins: [],
    steps: [
      { event: FINAL, frames: [{ ...head('transcript'), data: { id: '00_00000000', is_final: true, utterance } }] },
      { found: { translations: [{ language: 'fr', found: NOT_ENABLED }], entities: NOT_ENABLED, sentiments: NOT_ENABLED }, of: HELLO_WORLD, frames: [{ ...head('translation'), ...FAILED }, { ...head('named_entity_recognition'), ...FAILED }, { ...head('sentiment_analysis'), ...FAILED }] },
      { summary: NOT_ENABLED, frames: [] },
      {
        event: CLOSED,
        frames: [
          { ...head('post_transcript'), data: transcription },
          { ...head('post_summarization'), ...FAILED },
          { ...head('post_final_transcript'), data: { metadata: { ...metadata }, transcription, translation: off, summarization: off, named_entity_recognition: off, sentiment_analysis: { ...off, results: '' } } },
        ],
      },
    ],
  },
  {
    name: 'what is not known is refused, and breaks nothing',
    init: {},
    begins: [],
    steps: ['{"type":"hello"}', 'no JSON', '[]'].map((client) => ({
      client,
      frames: [{ ...head('audio_chunk'), acknowledged: false, error: { message: 'The message is not one that is known here.' }, data: null }],
      commands: [],
    })),
  },
  {
    name: 'the last word is a close code',
    init: {},
    begins: [],
    steps: [
      { fault: 'AUDIO_EMPTY', closeCode: 1000 },
      { fault: 'SERVER_STOPPING', closeCode: 1012 },
      { fault: 'SESSION_TOO_LONG', closeCode: 4408 },
      { fault: 'BACKEND_ERROR', closeCode: 4424 },
      { fault: 'BUDGET_EXCEEDED', closeCode: 4402 },
      { fault: 'SESSION_IDLE', closeCode: 4408 },
    ],
  },
];
