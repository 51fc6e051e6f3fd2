import type { ErrorCode } from '../../../src/core/errors.ts';
import { HELLO_WORLD, type DialectVector, type Step } from './vector.ts';

const START = '{"type":"start","language":"en","diarize":false,"sample_rate":16000,"channels":1}';
const FORMAT = { container: 'raw', encoding: 's16', sampleRateHz: 16_000, channels: 1 };
const opened = (more: object = {}): object => ({ type: 'open', request: { format: FORMAT, progressMs: 5000, ...more } });
const SESSION = { jobNumber: 1234, maxSeconds: 10_800, isPreview: false } as const;
const READY = { type: 'ready', job_id: 1234, session_id: 'ses_1', taste: false, max_duration_seconds: 10_800 };
const ready = { type: 'session.ready', sessionId: 'ses_1', backend: 'A', model: 'm', jobId: 'job_1' } as const;
const closed = (heardSamples: number) => ({ type: 'session.closed', reason: 'finished', lanes: [{ laneIndex: 0, heardSamples, speechSamples: 0, gapSamples: 0 }] }) as const;
const words = [
  { word: 'hello', start: 1, end: 1.3, confidence: 0.9, probability: 0.9 },
  { word: 'World', start: 1.3, end: 1.8, confidence: 0.7, probability: 0.7 },
];
const completed = (credits_used: number, streamed_seconds: number): object => ({
  type: 'completed',
  job_id: 1234,
  credits_used,
  streamed_seconds,
  transcript_path: '/api/v1/transcription/jobs/1234/transcript',
});
const begun = (commands: readonly object[] = [opened({ language: 'en' })], start = START): readonly Step[] => [{ client: start, commands }, { opened: SESSION }];
const wrong = (name: string, fields: string): DialectVector => ({ name: `${name} is refused`, steps: [{ client: `{"type":"start",${fields}}`, refused: 'VALIDATION_ERROR' }] });
const fault = (error: ErrorCode, code: string, closeCode: number): Step => ({ error, closeCode, frames: [{ type: 'error', code, message: 'x' }] });

export const AUDIOPOD_VECTORS: readonly DialectVector[] = [
  {
    name: 'start, audio, partials, finals and usage, end',
    proves: ['live: `ready`, `partial`, `final`, `usage`, `completed`', 'live: `speech_final`', 'live: words with times and confidences', 'live: `start`, audio of any piece size, `end`'],
    steps: [
      ...begun(),
      { event: ready, frames: [READY] },
      { client: { binary: 'abc' }, commands: [{ type: 'audio', binary: 'abc' }] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [{ type: 'partial', text: 'hello World' }] },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 80_000 }, frames: [{ type: 'usage', credits_used: 19 }] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'length' }, frames: [{ type: 'final', text: 'hello World', speech_final: false, words }] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' }, frames: [{ type: 'final', text: 'hello World', speech_final: true, words }] },
      { client: '{"type":"end"}', commands: [{ type: 'finish' }] },
      { client: { binary: 'ab' }, commands: [] },
      { client: START, commands: [] },
      { event: { type: 'utterance.final', utterance: { ...HELLO_WORLD, text: '', words: [] }, endedBy: 'request' }, frames: [{ type: 'partial', text: '' }] },
      { event: closed(960_000), frames: [completed(220, 60)] },
    ],
  },
  {
    name: 'credits are whole, and rounded up; nothing kept has no number',
    proves: ['credits: 220 a minute, reserved and settled'],
    steps: [
      { client: '{"type":"start"}', commands: [opened()] },
      { event: ready, frames: [{ ...READY, job_id: null }] },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 1 }, frames: [{ type: 'usage', credits_used: 1 }] },
      { event: closed(0), frames: [{ type: 'completed', job_id: null, credits_used: 0, streamed_seconds: 0, transcript_path: null }] },
    ],
  },
  {
    name: 'language, speakers and a duration of one’s own',
    proves: ['live: `language`, `diarize`'],
    steps: [
      ...begun([opened({ language: 'pt', diarize: true, limits: { maxDurationMs: 60_000 } })], '{"type":"start","language":"pt-BR","diarize":true,"max_duration_seconds":60}'),
      {
        event: { type: 'utterance.final', utterance: { ...HELLO_WORLD, words: [{ ...HELLO_WORLD.words[0], speaker: { label: 'SPEAKER_00', speakerId: null } }] }, endedBy: 'request' },
        frames: [{ type: 'final', text: 'hello World', speech_final: true, words: [{ ...words[0], speaker: 'SPEAKER_00', speaker_label: 'SPEAKER_00' }] }],
      },
    ],
  },
  ...['null', '"auto"', '"multi"', '""'].map((language): DialectVector => ({ name: `any language: ${language}`, steps: begun([opened()], `{"type":"start","language":${language}}`) })),
  {
    name: 'audio beyond the longest duration is not heard; the session is saved and told so',
    proves: ['live: `max_duration_seconds`, `MAX_DURATION_REACHED`'],
    steps: [
      { client: START, commands: [opened({ language: 'en' })] },
      { opened: { ...SESSION, maxSeconds: 1 } },
      { client: { binary: 'a'.repeat(31_999) }, commands: [{ type: 'audio', binary: 'a'.repeat(31_999) }] },
      { client: { binary: 'bc' }, commands: [{ type: 'audio', binary: 'b' }, { type: 'finish' }] },
      { client: { binary: 'd' }, commands: [] },
      { event: closed(16_000), frames: [{ type: 'error', code: 'MAX_DURATION_REACHED', message: 'The session may have 1 seconds of audio.' }, completed(4, 1)] },
    ],
  },
  {
    name: 'a limit of time or budget met on the way saves the session, then says so',
    steps: [
      ...begun(),
      { event: { ...closed(32_000), reason: 'failed', error: { code: 'SESSION_TOO_LONG', message: 'x' } }, frames: [] },
      { error: 'SESSION_TOO_LONG', closeCode: 1008, frames: [{ type: 'error', code: 'MAX_DURATION_REACHED', message: 'x' }, completed(8, 2)] },
      { error: 'BUDGET_EXCEEDED', closeCode: 1008, frames: [{ type: 'error', code: 'MAX_DURATION_REACHED', message: 'x' }, completed(8, 2)] },
    ],
  },
  {
    name: 'what refuses a session, in the vendor’s words',
    proves: ['live: error codes and closes'],
    steps: [
      fault('BUDGET_EXCEEDED', 'INSUFFICIENT_CREDITS', 1008),
      fault('AUTH_INSUFFICIENT_SCOPE', 'PREMIUM_TIER_REQUIRED', 1008),
      fault('VALIDATION_ERROR', 'INVALID_CONFIG', 1008),
      fault('MESSAGE_TOO_LARGE', 'FRAME_TOO_LARGE', 1009),
      fault('SESSION_IDLE', 'IDLE_TIMEOUT', 1008),
      fault('RATE_LIMITED', 'RATE_LIMITED', 1013),
      fault('SESSION_EXPIRED', 'UNAUTHORIZED', 1008),
      fault('BACKEND_ERROR', 'UPSTREAM_ERROR', 1011),
      fault('CAPACITY_EXCEEDED', 'UPSTREAM_ERROR', 1013),
    ],
  },
  { name: 'audio before start is refused', steps: [{ client: { binary: 'ab' }, refused: 'MESSAGE_MALFORMED' }] },
  { name: 'what is no start is refused', steps: [{ client: 'hello', refused: 'MESSAGE_MALFORMED' }] },
  { name: 'a second start is refused, what is unknown is not', steps: [...begun(), { client: '{"type":"ping"}', commands: [] }, { client: 'x', commands: [] }, { client: START, refused: 'MESSAGE_MALFORMED' }] },
  { name: 'a piece of more than 1 MiB is refused', steps: [...begun(), { client: { binary: 'a'.repeat(1024 * 1024 + 1) }, refused: 'MESSAGE_TOO_LARGE' }] },
  wrong('another sample rate', '"sample_rate":44100'),
  wrong('a sample rate in quotes', '"sample_rate":"16000"'),
  wrong('stereo', '"channels":2'),
  wrong('a duration that is none', '"max_duration_seconds":0'),
  wrong('a language that is none', '"language":"english, please"'),
  wrong('a diarize that is neither', '"diarize":"yes"'),
];
