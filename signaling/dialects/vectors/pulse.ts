import { HELLO_WORLD, REQUEST_ID, type DialectVector } from './vector.ts';

const raw = { container: 'raw', encoding: 's16', sampleRateHz: 16_000, channels: 1 };
const request = (more: object = {}): object => ({ format: raw, endpointing: { endpointMs: 800 }, ...more });
const transcription = (text: string, more: object = {}): object => ({
  type: 'transcription',
  status: 'success',
  session_id: REQUEST_ID,
  transcript: text,
  transcription: text,
  is_final: true,
  is_last: false,
  ...more,
});
const words = [
  { word: 'hello', start: 1, end: 1.3, confidence: 0.9 },
  { word: 'World', start: 1.3, end: 1.8, confidence: 0.7 },
];
const closed = { type: 'session.closed', reason: 'finished', lanes: [] } as const;
const final = { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' } as const;
const english = { language: 'en', languages: ['en'] };

export const PULSE_VECTORS: readonly DialectVector[] = [
  {
    name: 'audio, partials, finals, close_stream: the last message has what was left',
    proves: ['partials and finals, both names of the text', '`word_timestamps`, `sentence_timestamps`', '`vad_events`', '`close_stream`, `end`, `END`'],
    query: 'model=pulse&language=en&word_timestamps=true&sentence_timestamps=true&vad_events=true',
    opening: request({ language: 'en' }),
    steps: [
      { client: { binary: 'ab' }, commands: [{ type: 'audio', binary: 'ab' }] },
      { event: { type: 'speech.started', laneIndex: 0, atSample: 16_000 }, frames: [{ type: 'speech_started', session_id: REQUEST_ID, timestamp: 1 }] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [transcription('hello World', { is_final: false })] },
      { event: { type: 'speech.ended', laneIndex: 0, atSample: 28_800 }, frames: [{ type: 'speech_ended', session_id: REQUEST_ID, timestamp: 1.8 }] },
      { event: final, frames: [transcription('hello World', { ...english, words, utterances: [{ text: 'hello World', transcript: 'hello World', start: 1, end: 1.8 }] })] },
      { client: '{"type":"close_stream"}', commands: [{ type: 'finish' }] },
      { event: final, frames: [] },
      { event: closed, frames: [transcription('hello World', { ...english, words, utterances: [{ text: 'hello World', transcript: 'hello World', start: 1, end: 1.8 }], is_last: true })] },
    ],
  },
  {
    name: 'an utterance is cut after so many words, as soon as they are settled; the language is told where none was named',
    proves: ['`finalize_on_words`, `max_words`', '`language`'],
    query: 'model=pulse&max_words=1&word_timestamps=true',
    language: 'en',
    opening: request(),
    steps: [
      { event: { type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 0 } }, frames: [transcription('hello World', { is_final: false })] },
      {
        event: { type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 1 } },
        frames: [transcription('hello', { ...english, words: words.slice(0, 1) }), transcription('World', { is_final: false })],
      },
      { event: final, frames: [transcription('World', { ...english, words: words.slice(1) })] },
      { event: final, frames: [transcription('hello', { ...english, words: words.slice(0, 1) }), transcription('World', { ...english, words: words.slice(1) })] },
      { client: '{"type":"finalize"}', commands: [{ type: 'flush' }] },
      { event: { type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 2 } }, frames: [transcription('hello World', { is_final: false })] },
      { event: final, frames: [] },
      { event: { type: 'session.flushed' }, frames: [transcription('hello World', { ...english, words, from_finalize: true })] },
    ],
  },
  {
    name: 'not where finals are to be whole turns',
    proves: ['`finalize_on_words`, `max_words`'],
    query: 'model=pulse&max_words=1&finalize_on_words=false',
    steps: [{ event: final, frames: [transcription('hello World')] }],
  },
  {
    name: 'what is only written at the end is only cut there',
    query: 'model=pulse&max_words=1&itn_normalize=true',
    steps: [
      { event: { type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 2 } }, frames: [transcription('hello World', { is_final: false })] },
      { event: final, frames: [transcription('hello'), transcription('World')] },
    ],
  },
  {
    name: 'every finalize has one answer, with or without words',
    proves: ['`finalize`', '`full_transcript`', '`close_stream`, `end`, `END`'],
    query: 'model=pulse&full_transcript=true',
    opening: request(),
    steps: [
      { client: '{"type":"finalize"}', commands: [{ type: 'flush' }] },
      { client: '{"type":"finalize"}', commands: [{ type: 'flush' }] },
      { event: final, frames: [] },
      { event: { type: 'session.flushed' }, frames: [transcription('hello World', { full_transcript: 'hello World', from_finalize: true })] },
      { event: { type: 'session.flushed' }, frames: [transcription('', { full_transcript: 'hello World', from_finalize: true })] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [transcription('hello World', { is_final: false, full_transcript: 'hello World hello World' })] },
      { client: '{"type":"end"}', commands: [{ type: 'finish' }] },
      { event: closed, frames: [transcription('', { full_transcript: 'hello World', is_last: true })] },
    ],
  },
  {
    name: 'the older path has words by default and needs no model; its clients end with a flag',
    proves: ['unified and older paths', '`endpointing`, `eou_timeout_ms`', '`sample_rate`, `encoding`', '`language`', '`close_stream`, `end`, `END`'],
    path: '/waves/v1/pulse/get_text',
    query: 'encoding=mulaw&sample_rate=8000&language=multi-eu&eou_timeout_ms=100&vad=true',
    opening: { format: { container: 'raw', encoding: 'mulaw', sampleRateHz: 8000, channels: 1 }, endpointing: { endpointMs: 100 } },
    steps: [
      { event: final, frames: [transcription('hello World', { words })] },
      { client: 'nonsense', commands: [] },
      { client: '{"flag":"END"}', commands: [{ type: 'finish' }] },
      { client: { binary: 'late' }, commands: [] },
    ],
  },
  {
    name: 'the model in the path; raw Opus packets; speakers as numbers',
    proves: ['unified and older paths', '`diarize`', '`sample_rate`, `encoding`', '`endpointing`, `eou_timeout_ms`'],
    path: '/api/v1/:model/get_text',
    params: { model: 'pulse' },
    query: 'encoding=opus&diarize=true&endpointing=false&keywords=Earshot:2,Opus codec&redact_pci=true&itn_normalize=true',
    opening: {
      format: { container: 'opus-packets', sampleRateHz: 16_000, channels: 1 },
      endpointing: { endpointMs: Infinity },
      diarize: true,
      text: { numerals: true, redact: ['pci'], vocabulary: [{ term: 'Earshot', boost: 2 }, { term: 'Opus codec', boost: 1 }] },
    },
    steps: [
      {
        event: { ...final, utterance: { ...HELLO_WORLD, words: HELLO_WORLD.words.map((word, index) => ({ ...word, speaker: { label: `SPEAKER_0${String(index + 4)}`, speakerId: null } })) } },
        frames: [transcription('hello World', { words: words.map((word, index) => ({ ...word, speaker: index })), redacted_entities: [] })],
      },
    ],
  },
  { name: 'the unified path needs a model', proves: ['refusals before the upgrade'], query: 'language=en', refused: { code: 'VALIDATION_ERROR', fields: ['model'] } },
  { name: 'a model that does not stream is refused', proves: ['refusals before the upgrade'], query: 'model=pulse-pro', refused: { code: 'VALIDATION_ERROR', fields: ['model'] } },
  {
    name: 'how the text is to be written; what is blacked out is listed',
    proves: ['`redact_pii`, `redact_pci`', '`keywords`', '`itn_normalize`, `numerals`', '`external_session_id`'],
    query: 'model=pulse&itn_normalize=true&redact_pii=true&redact_pci=FIRSTNAME,PHONENUMBER&keywords=Earshot:2,two%20words&external_session_id=call-7',
    opening: request({ text: { numerals: true, redact: ['pii', 'pci'], vocabulary: [{ term: 'Earshot', boost: 2 }, { term: 'two words', boost: 1 }] } }),
    steps: [
      {
        event: {
          type: 'utterance.final',
          utterance: { ...HELLO_WORLD, text: 'hello [FIRSTNAME_1]', words: [HELLO_WORLD.words[0], { ...HELLO_WORLD.words[1], text: '[FIRSTNAME_1]' }] },
          endedBy: 'silence',
        },
        frames: [transcription('hello [FIRSTNAME_1]', { redacted_entities: ['[FIRSTNAME_1]'] })],
      },
    ],
  },
  {
    name: 'an error is the last word',
    query: 'model=pulse',
    steps: [{ error: 'BACKEND_ERROR', closeCode: 1011, frames: [{ type: 'error', status: 'error', message: 'x', error_code: 'BACKEND_ERROR' }] }],
  },
  {
    name: 'format=false leaves numbers as they are said, and takes punctuation and capitals away',
    proves: ['`format`, `punctuate`, `capitalize`', '`itn_normalize`, `numerals`'],
    query: 'model=pulse&format=false&itn_normalize=true&punctuate=true',
    opening: request({ text: { withoutPunctuation: true, lowerCase: true } }),
  },
  { name: 'punctuation and capitals are taken away one by one', proves: ['`format`, `punctuate`, `capitalize`'], query: 'model=pulse&punctuate=false', opening: request({ text: { withoutPunctuation: true } }) },
  { name: 'capitals alone too', query: 'model=pulse&capitalize=false&itn_normalize=true', opening: request({ text: { numerals: true, lowerCase: true } }) },
  { name: 'numbers by their older name', proves: ['`itn_normalize`, `numerals`'], query: 'model=pulse&numerals=true', opening: request({ text: { numerals: true } }) },
  { name: 'a session is tagged with a name only', query: 'model=pulse&external_session_id=a%20b', refused: { code: 'VALIDATION_ERROR', fields: ['external_session_id'] } },
  { name: 'wrong values are refused, unknown names are not', query: 'model=pulse&sample_rate=12345&eou_timeout_ms=5&unknown=1', refused: { code: 'VALIDATION_ERROR', fields: ['sample_rate', 'eou_timeout_ms'] } },
];
