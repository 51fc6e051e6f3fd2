import { HELLO_WORLD, REQUEST_ID, type DialectVector } from './vector.ts';

const MODEL = { name: 'earshot', version: '1', arch: 'earshot' };
const MODEL_UUID = '00000000-0000-4000-8000-000000000001';
const metadata = { request_id: REQUEST_ID, model_info: MODEL, model_uuid: MODEL_UUID };
const raw = { container: 'raw', encoding: 's16', sampleRateHz: 16_000, channels: 1, mixdown: true };
/** Punctuation and capitals are for who asks for them. */
const PLAIN = { withoutPunctuation: true, lowerCase: true };
const request = (more: object = {}): object => ({ format: raw, endpointing: { endpointMs: 10 }, limits: { maxIdleMs: 10_000 }, text: PLAIN, ...more });
const LINEAR = 'model=nova-3&encoding=linear16&sample_rate=16000';

const words = [
  { word: 'hello', start: 1, end: 1.3, confidence: 0.9 },
  { word: 'world', start: 1.3, end: 1.8, confidence: 0.7 },
];
const results = (more: object): object => ({
  type: 'Results',
  channel_index: [0, 1],
  duration: 1.8,
  start: 0,
  is_final: true,
  speech_final: true,
  from_finalize: false,
  channel: { alternatives: [{ transcript: 'hello World', confidence: 0.8, words }] },
  metadata,
  ...more,
});
const empty = { alternatives: [{ transcript: '', confidence: 0, words: [] }] };
const closed = { type: 'session.closed', reason: 'finished', lanes: [{ laneIndex: 0, heardSamples: 32_000, speechSamples: 9000, gapSamples: 0 }] } as const;
const goodbye = (sha256: string): object => ({
  type: 'Metadata',
  transaction_key: 'deprecated',
  request_id: REQUEST_ID,
  sha256,
  created: 'TIME',
  duration: 2,
  channels: 1,
  models: [MODEL_UUID],
  model_info: { [MODEL_UUID]: MODEL },
});
const SHA_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const SHA_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

export const DEEPGRAM_VECTORS: readonly DialectVector[] = [
  {
    name: 'a stream with interims: sound, results, CloseStream, metadata',
    proves: ['live: `interim_results`', 'live: `vad_events`, `SpeechStarted`', 'live: `CloseStream`, empty frame, `Metadata`'],
    query: `${LINEAR}&interim_results=true&vad_events=true`,
    opening: request(),
    steps: [
      { client: { binary: 'abc' }, commands: [{ type: 'audio', binary: 'abc' }] },
      { event: { type: 'speech.started', laneIndex: 0, atSample: 15_000 }, frames: [{ type: 'SpeechStarted', channel: [0, 1], timestamp: 0.938 }] },
      {
        event: { type: 'utterance.interim', utterance: HELLO_WORLD },
        frames: [results({ is_final: false, speech_final: false })],
      },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' }, frames: [results({})] },
      { client: '{"type":"CloseStream"}', commands: [{ type: 'finish' }] },
      { client: { binary: 'late' }, commands: [] },
      { event: closed, frames: [goodbye(SHA_OF_ABC)] },
    ],
  },
  {
    name: 'without interim_results and vad_events only finals are told; a cut one is not speech_final',
    proves: ['live: `speech_final`, windows without holes'],
    query: LINEAR,
    steps: [
      { event: { type: 'speech.started', laneIndex: 0, atSample: 0 }, frames: [] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'length' }, frames: [results({ speech_final: false })] },
    ],
  },
  {
    name: 'Finalize marks the last result that it brings out',
    proves: ['live: `Finalize`'],
    query: LINEAR,
    steps: [
      { client: '{"type":"Finalize"}', commands: [{ type: 'flush' }] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'request' }, frames: [] },
      { event: { type: 'session.flushed' }, frames: [results({ speech_final: false, from_finalize: true })] },
    ],
  },
  {
    name: 'Finalize with nothing to finalize is answered all the same; twice, twice',
    proves: ['live: `Finalize`'],
    query: LINEAR,
    steps: [
      { client: '{"type":"Finalize"}', commands: [{ type: 'flush' }] },
      { client: '{"type":"Finalize","channel":0}', commands: [{ type: 'flush' }] },
      { event: { type: 'session.flushed' }, frames: [results({ channel: empty, duration: 0, speech_final: false, from_finalize: true })] },
      { event: { type: 'session.flushed' }, frames: [results({ channel: empty, duration: 0, speech_final: false, from_finalize: true })] },
    ],
  },
  {
    name: 'UtteranceEnd comes once, when the gap after the last word is long enough',
    proves: ['live: `utterance_end_ms`, `UtteranceEnd`'],
    query: `${LINEAR}&interim_results=true&utterance_end_ms=1000`,
    opening: request({ progressMs: 250 }),
    steps: [
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 40_000 }, frames: [] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' }, frames: [results({})] },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 44_799 }, frames: [] },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 44_800 }, frames: [{ type: 'UtteranceEnd', channel: [0, 1], last_word_end: 1.8 }] },
      { event: { type: 'lane.progress', laneIndex: 0, heardSamples: 60_000 }, frames: [] },
    ],
  },
  {
    name: 'each channel has results of its own',
    proves: ['`multichannel`, `channels`', '`punctuate`'],
    query: `${LINEAR}&channels=2&multichannel=true&punctuate=true`,
    opening: { format: { container: 'raw', encoding: 's16', sampleRateHz: 16_000, channels: 2 }, endpointing: { endpointMs: 10 }, limits: { maxIdleMs: 10_000 } },
    steps: [
      {
        event: { type: 'utterance.final', utterance: { ...HELLO_WORLD, laneIndex: 1 }, endedBy: 'silence' },
        frames: [
          results({
            channel_index: [1, 2],
            channel: { alternatives: [{ transcript: 'hello World', confidence: 0.8, words: words.map((word, index) => ({ ...word, punctuated_word: ['hello', 'World'][index] })) }] },
          }),
        ],
      },
    ],
  },
  {
    name: 'KeepAlive keeps alive; what is unknown or no JSON changes nothing; an empty binary frame closes',
    proves: ['live: `KeepAlive`', 'live: `CloseStream`, empty frame, `Metadata`'],
    query: 'model=nova-3',
    opening: request({ format: { container: 'auto', channels: 1, mixdown: true } }),
    steps: [
      { client: '{"type":"KeepAlive"}', commands: [{ type: 'keep-alive' }] },
      { client: '{"type":"Configure"}', commands: [] },
      { client: 'nonsense', commands: [] },
      { client: { binary: '' }, commands: [{ type: 'finish' }] },
      { event: closed, frames: [goodbye(SHA_OF_NOTHING)] },
    ],
  },
  {
    name: 'what ends a stream has the vendor’s codes',
    proves: ['live: close codes 1000, 1008, 1011'],
    query: LINEAR,
    steps: (
      [
        ['AUDIO_MALFORMED', 'DATA-0000', 1008],
        ['BACKEND_ERROR', 'NET-0000', 1011],
        ['SESSION_IDLE', 'NET-0001', 1011],
      ] as const
    ).map(([error, variant, closeCode]) => ({ error, closeCode, frames: [{ type: 'Error', variant, description: 'x', message: 'x' }] })),
  },
  {
    name: 'speakers are numbers, by first appearance',
    proves: ['`diarize`'],
    query: `${LINEAR}&diarize=true`,
    opening: request({ diarize: true }),
    steps: [
      {
        event: {
          type: 'utterance.final',
          utterance: { ...HELLO_WORLD, words: HELLO_WORLD.words.map((word, index) => ({ ...word, speaker: { label: `SPEAKER_0${String(4 - index)}`, speakerId: null } })) },
          endedBy: 'silence',
        },
        frames: [results({ channel: { alternatives: [{ transcript: 'hello World', confidence: 0.8, words: words.map((word, index) => ({ ...word, speaker: index })) }] } })],
      },
    ],
  },
  { name: 'endpointing is a number, a default, or off', proves: ['live: `endpointing`', '`language`'], query: `${LINEAR}&endpointing=false&language=en-GB`, opening: { ...request({ language: 'en' }), endpointing: { endpointMs: Infinity } } },
  {
    name: 'entities are in the final that a language model found them in; what it failed of is named',
    proves: ['live: `detect_entities`'],
    query: `${LINEAR}&detect_entities=true`,
    opening: request(),
    steps: [
      {
        event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' },
        found: { entities: { value: [{ type: 'PLANET', text: 'World', laneIndex: 0, startSample: 20_800, endSample: 28_800 }], tookMs: 5 } },
        frames: [results({ channel: { alternatives: [{ transcript: 'hello World', confidence: 0.8, words, entities: [{ label: 'PLANET', value: 'World', confidence: 0, start_word: 1, end_word: 1 }] }] } })],
      },
      {
        event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' },
        found: { entities: { error: { code: 'BACKEND_TIMEOUT', message: 'x' }, tookMs: 5 } },
        frames: [
          results({
            start: 1,
            duration: 0.8,
            channel: { alternatives: [{ transcript: 'hello World', confidence: 0.8, words, entities: [] }] },
            metadata: { ...metadata, warnings: [{ parameter: 'detect_entities', type: 'backend_timeout', message: 'x' }] },
          }),
        ],
      },
    ],
  },
  {
    name: 'the language is told where none was named, of what is final',
    proves: ['`language`'],
    query: `${LINEAR}&language=multi&interim_results=true`,
    language: 'en',
    opening: request(),
    steps: [
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [results({ is_final: false, speech_final: false })] },
      {
        event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' },
        frames: [results({ channel: { alternatives: [{ transcript: 'hello World', confidence: 0.8, words, languages: ['en'] }] } })],
      },
    ],
  },
  { name: 'a pause of nothing is the shortest', proves: ['live: `endpointing`'], query: `${LINEAR}&endpointing=0`, opening: request() },
  { name: 'every wrong parameter is named', proves: ['refusals: `dg-error`, `err_code`'], query: 'encoding=linear16&channels=9&interim_results=perhaps&utterance_end_ms=5&language=*', refused: { code: 'VALIDATION_ERROR', fields: ['channels', 'sample_rate', 'language', 'interim_results', 'utterance_end_ms'] } },
  {
    name: 'how the text is to be written, and what is echoed',
    proves: ['`smart_format`, `numerals`', '`redact`', '`keyterm`, `keywords`', '`replace`, `profanity_filter`', '`tag`, `extra`', '`model`, `version`'],
    query: `${LINEAR}&smart_format=true&redact=pci&redact=ssn&keyterm=Ear%20shot&keywords=hello:3&keywords=quiet:-5&replace=glad%20ya:Gladia&profanity_filter=true&tag=a&tag=b&extra=call:7:1&version=latest`,
    opening: request({
      text: {
        numerals: true,
        redact: ['pci', 'ssn'],
        vocabulary: [{ term: 'Ear shot', boost: 2 }, { term: 'hello', boost: 3 }],
        spelling: [{ from: ['glad ya'], to: 'Gladia' }],
        profanityFilter: true,
      },
    }),
    steps: [{ event: closed, frames: [{ ...goodbye(SHA_OF_NOTHING), tags: ['a', 'b'], extra: { call: '7:1' } }] }],
  },
  {
    name: 'a word stands without its punctuation, and what is blacked out as it is',
    proves: ['`punctuate`', '`redact`'],
    query: `${LINEAR}&punctuate=true&extra=call:7`,
    steps: [
      {
        event: { type: 'utterance.final', utterance: { ...HELLO_WORLD, words: [{ ...HELLO_WORLD.words[0], text: 'Hello,' }, { ...HELLO_WORLD.words[1], text: '[NUMBER_1].' }] }, endedBy: 'silence' },
        frames: [
          results({
            channel: {
              alternatives: [
                {
                  transcript: 'Hello, [NUMBER_1].',
                  confidence: 0.8,
                  words: [
                    { ...words[0], word: 'hello', punctuated_word: 'Hello,' },
                    { ...words[1], word: '[NUMBER_1]', punctuated_word: '[NUMBER_1].' },
                  ],
                },
              ],
            },
            metadata: { ...metadata, extra: { call: '7' } },
          }),
        ],
      },
    ],
  },
  {
    name: 'what would have to be made up is refused',
    proves: ['live: `summarize`, `topics`, `intents`, `sentiment`', '`search`', 'live: `callback`'],
    query: `${LINEAR}&summarize=v2&sentiment=false&search=hello&redact=organization&replace=hello&extra=plain&callback=https%3A%2F%2Fexample.com`,
    refused: { code: 'VALIDATION_ERROR', fields: ['search', 'redact', 'replace', 'extra', 'callback', 'summarize'] },
  },
  { name: 'an encoding that cannot be decoded is refused', proves: ['live: encodings and containers'], query: 'encoding=speex&sample_rate=16000', refused: { code: 'VALIDATION_ERROR', fields: ['encoding'] } },
];
