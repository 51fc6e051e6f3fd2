import type { ErrorCode } from '../../../src/core/errors.ts';
import type { TranscriptEvent } from '../../../src/core/transcript.ts';

/** A binary frame, one character a byte. */
export interface BinaryFrame {
  readonly binary: string;
}

/** What clients send, as their samples send it, and what it means. */
export interface ClientVector {
  readonly name: string;
  readonly controlOnly?: true;
  readonly frames: readonly (string | BinaryFrame)[];
  /** Commands in order; audio as one string per run of it. */
  readonly commands: readonly object[];
  /** What the last frame is refused with. */
  readonly error?: ErrorCode;
  /** Fields named in the refusal. */
  readonly fields?: readonly string[];
}

const wav = { container: 'wav', encoding: 's16', sampleRateHz: 16_000, channels: 1 };
const opened = (request: object = {}): object => ({ type: 'open', request: { format: wav, ...request } });
const audio = (binary: string): object => ({ type: 'audio', binary });
const finish = { type: 'finish' };
const frame = (binary: string): BinaryFrame => ({ binary });

const OPEN = '{"type":"open"}';
const CLOSE_LINE = '{"type":"close"}\n';
const RIFF = 'RIFF\x24\x80\x00\x00WAVEfmt ';

export const CLIENT_VECTORS: readonly ClientVector[] = [
  {
    name: 'Python websockets: open, binaries, close',
    frames: ['{"type": "open", "language_hint": "en", "media_type": "audio/wav", "chunk_seconds": 5.0}', frame(RIFF), frame('\x01\x02\x03'), '{"type": "close"}'],
    commands: [opened({ language: 'en', chunkSeconds: 5 }), audio(`${RIFF}\x01\x02\x03`), finish],
  },
  {
    name: 'Node ws: open without chunk_seconds, audio at once',
    frames: ['{"type":"open","language_hint":"EN","media_type":"audio/wav"}', frame('ab'), '{"type":"close"}'],
    commands: [opened({ language: 'en' }), audio('ab'), finish],
  },
  {
    name: 'websocat -b: every block of standard input is one binary frame',
    frames: [frame(`${OPEN}\n`), frame(RIFF), frame(CLOSE_LINE)],
    commands: [opened(), audio(RIFF), finish],
  },
  {
    name: 'websocat -b: all of it glued into one block',
    frames: [frame(`${OPEN}\n${RIFF}${CLOSE_LINE}`)],
    commands: [opened(), audio(RIFF), finish],
  },
  { name: 'websocat -b: nothing between open and close', frames: [frame(`${OPEN}\n${CLOSE_LINE}`)], commands: [opened(), finish] },
  { name: 'a binary open without its newline is answered at once', frames: [frame(OPEN), frame(RIFF)], commands: [opened(), audio(RIFF)] },
  { name: 'a carriage return belongs to the line', frames: [frame(`${OPEN}\r\n${RIFF}`)], commands: [opened(), audio(RIFF)] },
  { name: 'raw PCM may begin with a newline', frames: ['{"type":"open","media_type":"audio/pcm"}', frame('\n\x00')], commands: [{ type: 'open', request: { format: { ...wav, container: 'raw' } } }, audio('\n\x00')] },
  { name: 'audio that looks like the start of a close line is audio', frames: [OPEN, frame('x{"type":"cl'), frame('oze"}\n')], commands: [opened(), audio('x{"type":"cloze"}\n')] },
  { name: 'a close line without its newline is audio until the text close', frames: [OPEN, frame('x{"type":"close"}'), '{"type":"close"}'], commands: [opened(), audio('x{"type":"close"}'), finish] },
  { name: 'a close line in the middle of audio is audio', frames: [OPEN, frame(`x${CLOSE_LINE}y`)], commands: [opened(), audio(`x${CLOSE_LINE}y`)] },
  { name: 'audio that ends with the start of a close line, then the close line', frames: [OPEN, frame('x{"ty'), frame(CLOSE_LINE)], commands: [opened(), audio('x{"ty'), finish] },
  { name: 'what comes after the close belongs to nothing', frames: [OPEN, '{"type":"close"}', frame('late'), 'late', '{"type":"open"}'], commands: [opened(), finish] },
  { name: 'an empty binary frame is nothing', frames: [OPEN, frame('')], commands: [opened()] },
  {
    name: 'everything that open may say',
    frames: ['{"type":"open","media_type":"audio/L16; rate=8000","sample_rate":8000,"channels":2,"language_hint":"de","endpointing_ms":250,"backend_preference":"prefer_relay","model":"m1","diarize":true,"later":1}'],
    commands: [{ type: 'open', request: { format: { container: 'raw', encoding: 's16', sampleRateHz: 8000, channels: 2 }, language: 'de', backendPreference: 'prefer_relay', model: 'm1', diarize: true, endpointing: { endpointMs: 250 } } }],
  },
  { name: 'no language is no language, and so with the rest', frames: ['{"type":"open","language_hint":null,"backend_preference":null,"model":null}'], commands: [opened()] },
  {
    name: 'every field at fault is named',
    frames: ['{"type":"open","media_type":"text/plain","sample_rate":3999,"channels":9,"language_hint":"english","endpointing_ms":9,"chunk_seconds":0,"diarize":"yes","backend_preference":"B","model":""}'],
    commands: [],
    error: 'VALIDATION_ERROR',
    fields: ['language_hint', 'media_type', 'sample_rate', 'channels', 'chunk_seconds', 'diarize', 'backend_preference', 'model', 'endpointing_ms'],
  },
  { name: 'limits are allowed', frames: ['{"type":"open","sample_rate":192000,"channels":8,"endpointing_ms":10000,"chunk_seconds":60}'], commands: [{ type: 'open', request: { format: { ...wav, sampleRateHz: 192_000, channels: 8 }, chunkSeconds: 60, endpointing: { endpointMs: 10_000 } } }] },
  { name: 'over the limits', frames: ['{"type":"open","sample_rate":192001,"endpointing_ms":10001,"chunk_seconds":60.1}'], commands: [], error: 'VALIDATION_ERROR', fields: ['sample_rate', 'chunk_seconds', 'endpointing_ms'] },
  { name: 'a media type that is an object property is no media type', frames: ['{"type":"open","media_type":"constructor"}'], commands: [], error: 'VALIDATION_ERROR', fields: ['media_type'] },
  { name: 'audio before open', frames: [frame(RIFF)], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'close before open', frames: ['{"type":"close"}'], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'two opens', frames: [OPEN, OPEN], commands: [opened()], error: 'MESSAGE_MALFORMED' },
  { name: 'JSON that is no object', frames: ['[1]'], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'null', frames: ['null'], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'no JSON', frames: ['hello'], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'no type', frames: ['{}'], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'an unknown type', frames: [OPEN, '{"type":"dance"}'], commands: [opened()], error: 'MESSAGE_MALFORMED' },
  { name: 'a line that never ends', frames: [frame(`{"a":"${'x'.repeat(64 * 1024)}`)], commands: [], error: 'MESSAGE_TOO_LARGE' },
  { name: 'control socket: close', controlOnly: true, frames: ['{"type":"close"}'], commands: [finish] },
  { name: 'control socket: flush, and close', controlOnly: true, frames: ['{"type":"flush"}', '{"type":"flush"}', '{"type":"close"}'], commands: [{ type: 'flush' }, { type: 'flush' }, finish] },
  { name: 'control socket: no audio', controlOnly: true, frames: [frame('RIFF')], commands: [], error: 'MESSAGE_MALFORMED' },
  { name: 'control socket: no open', controlOnly: true, frames: [OPEN], commands: [], error: 'MESSAGE_MALFORMED' },
];

/** What the server tells, event by event. */
export interface ServerVector {
  readonly event: TranscriptEvent;
  readonly frames: readonly object[];
}

const utterance = {
  id: 'L1-U3',
  laneIndex: 1,
  text: 'hello world',
  words: [
    { text: 'hello', startSample: 16_000, endSample: 20_800, confidence: 0.912345 },
    { text: 'world', startSample: 20_800, endSample: 28_801, confidence: 0.5 },
  ],
  startSample: 16_000,
  endSample: 28_801,
  stableWords: 1,
};
const interimWords = utterance.words.map(({ text, startSample, endSample }) => ({ text, startSample, endSample }));

/** The events of one session in the order of their numbers, from 1. */
export const SERVER_VECTORS: readonly ServerVector[] = [
  { event: { type: 'session.ready', sessionId: 'ses_1', backend: 'A', model: 'm1' }, frames: [{ type: 'ready', session_id: 'ses_1', backend_used: 'A', model: 'm1' }] },
  { event: { type: 'lane.opened', laneIndex: 1, label: 'x' }, frames: [] },
  { event: { type: 'speech.started', laneIndex: 1, atSample: 8000 }, frames: [{ type: 'speech_started', seq: 3, lane: 1, time: 0.5 }] },
  {
    event: { type: 'utterance.interim', utterance: { ...utterance, words: interimWords } },
    frames: [
      {
        type: 'delta',
        seq: 4,
        segment_id: 'L1-U3',
        lane: 1,
        text: 'hello world',
        start: 1,
        end: 1.8,
        words: [
          { text: 'hello', start: 1, end: 1.3 },
          { text: 'world', start: 1.3, end: 1.8 },
        ],
        is_final: false,
        stable_words: 1,
      },
    ],
  },
  { event: { type: 'speech.ended', laneIndex: 1, atSample: 28_801 }, frames: [{ type: 'speech_ended', seq: 5, lane: 1, time: 1.8 }] },
  {
    event: { type: 'utterance.final', endedBy: 'silence', utterance: { ...utterance, stableWords: 2 } },
    frames: [
      {
        type: 'delta',
        seq: 6,
        segment_id: 'L1-U3',
        lane: 1,
        text: 'hello world',
        start: 1,
        end: 1.8,
        confidence: 0.706,
        words: [
          { text: 'hello', start: 1, end: 1.3, confidence: 0.912 },
          { text: 'world', start: 1.3, end: 1.8, confidence: 0.5 },
        ],
        is_final: true,
        stable_words: 2,
      },
    ],
  },
  { event: { type: 'recognizer.recovered', laneIndex: 1, replayedSamples: 100 }, frames: [{ type: 'recovered', seq: 7, lane: 1 }] },
  { event: { type: 'backend.changed', from: 'A', to: 'B', model: 'm2' }, frames: [{ type: 'backend_changed', seq: 8, from: 'A', to: 'B', model: 'm2' }] },
  { event: { type: 'session.flushed' }, frames: [{ type: 'flushed', seq: 9 }] },
  { event: { type: 'lane.closed', totals: { laneIndex: 1, heardSamples: 32_000, speechSamples: 0, gapSamples: 0 } }, frames: [] },
  {
    event: {
      type: 'utterance.final', endedBy: 'silence',
      utterance: {
        ...utterance,
        stableWords: 2,
        speaker: { label: 'Alice', speakerId: 'spk_1' },
        words: utterance.words.map((word, index) => ({ ...word, speaker: index === 0 ? { label: 'Alice', speakerId: 'spk_1' } : { label: 'SPEAKER_00', speakerId: null } })),
      },
    },
    frames: [
      {
        type: 'delta',
        seq: 11,
        segment_id: 'L1-U3',
        lane: 1,
        text: 'hello world',
        start: 1,
        end: 1.8,
        speaker: 'Alice',
        speaker_id: 'spk_1',
        confidence: 0.706,
        words: [
          { text: 'hello', start: 1, end: 1.3, confidence: 0.912, speaker: 'Alice', speaker_id: 'spk_1' },
          { text: 'world', start: 1.3, end: 1.8, confidence: 0.5, speaker: 'SPEAKER_00', speaker_id: null },
        ],
        is_final: true,
        stable_words: 2,
      },
    ],
  },
  { event: { type: 'session.reconnect' }, frames: [{ type: 'reconnect', seq: 12 }] },
  {
    event: {
      type: 'session.closed',
      reason: 'finished',
      lanes: [
        { laneIndex: 0, heardSamples: 32_008, speechSamples: 0, gapSamples: 0 },
        { laneIndex: 1, heardSamples: 16_000, speechSamples: 0, gapSamples: 0 },
      ],
    },
    frames: [{ type: 'closed', seq: 13, audio_bytes: 0, audio_duration_ms: 2001 }],
  },
];
