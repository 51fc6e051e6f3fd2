import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { proving } from '../../compatibility/proving.ts';
import { ERRORS, EarshotError, type ErrorCode } from '../../src/core/errors.ts';
import type { Analysis } from '../../src/core/text-analysis.ts';
import type { TranscriptEvent, Utterance } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import { GladiaConversation } from './gladia.ts';
import { formatOf, frameBytesOf, GLADIA_INIT, requestOf } from './gladia-init.ts';
import { HELLO_WORLD, steady } from './vectors/vector.ts';

const EVERYTHING = {
  messages_config: { receive_partial_transcripts: true, receive_lifecycle_events: true },
  realtime_processing: { translation: true, translation_config: { target_languages: ['fr', 'de'] }, named_entity_recognition: true, sentiment_analysis: true },
  post_processing: { summarization: true },
};

function talk(init: object = EVERYTHING, nowMs = { at: 0 }) {
  const conversation = new GladiaConversation({ sessionId: 'S', init: GLADIA_INIT.parse(init), language: () => 'en', now: () => nowMs.at });
  let seq = 0;
  const encode = (event: TranscriptEvent): unknown[] => conversation.encode({ ...event, seq: (seq += 1) }).map((text) => steady(JSON.parse(text)));
  const decode = (message: WireMessage): unknown[] =>
    conversation.decode(message).map((command) => (command.type === 'send' ? command.messages.map((text) => steady(JSON.parse(text))) : command));
  const analysed = (of: Utterance, analysis: Analysis): unknown[] => conversation.analysed(of, analysis).map((text) => steady(JSON.parse(text)));
  return { conversation, encode, decode, analysed };
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
const FAULT = { error: { code: 'FEATURE_NOT_ENABLED', message: 'This server has no language model for it.' }, tookMs: 0 } as const;
const FAILED = { error: { message: FAULT.error.message }, data: null };
const NOT_OFFERED = { success: false, is_empty: true, exec_time: 0, error: { status_code: 501, exception: 'NotEnabled', message: FAULT.error.message }, results: null };
const transcription = { full_transcript: 'hello World', languages: ['en'], utterances: [utterance] };

test('from the client: audio in both ways, stop, and what is not known', proving('gladia', ['live: binary and base64 audio'], () => {
  const { conversation, decode } = talk();
  assert.deepEqual(
    conversation.begin().map((command) => command.type === 'send' && steady(JSON.parse(command.messages[0] ?? ''))),
    [head('start_session')],
  );
  assert.deepEqual(decode(Buffer.from([1, 2])), [[head('start_recording')], { type: 'audio', bytes: Buffer.from([1, 2]) }]);
  assert.deepEqual(decode('{"type":"audio_chunk","data":{"chunk":"AQID"}}'), [{ type: 'audio', bytes: Buffer.from([1, 2, 3]) }]);
  conversation.received(32_000);
  for (const chunk of ['{"type":"audio_chunk","data":{"chunk":"?"}}', '{"type":"audio_chunk"}']) {
    assert.deepEqual(decode(chunk), [[{ ...head('audio_chunk'), acknowledged: false, error: { message: 'data.chunk is not audio in base64.' }, data: null }]]);
  }
  for (const text of ['{"type":"hello"}', 'no JSON', '[]']) assert.match(JSON.stringify(decode(text)), /not one that is known/);
  const stopped = { ...head('stop_recording'), acknowledged: true, error: null, data: { recording_duration: 1, recording_left_to_process: 1 } };
  assert.deepEqual(decode('{"type":"stop_recording"}'), [[stopped], { type: 'finish' }]);
  assert.deepEqual(decode('{"type":"stop_recording"}'), [[stopped], { type: 'finish' }]);
}));

test('to the client: every message, in order', () => {
  const { conversation, encode, analysed } = talk();
  conversation.received(64_000);
  assert.deepEqual(
    conversation.acknowledge([0, 3200]).map((text) => steady(JSON.parse(text))),
    [{ ...head('audio_chunk'), acknowledged: true, error: null, data: { byte_range: [0, 3200], time_range: [0, 0.1] } }],
  );
  assert.deepEqual(encode({ type: 'speech.started', laneIndex: 1, atSample: 19_840 }), [{ ...head('speech_start'), data: { time: 1.24, channel: 1 } }]);
  assert.deepEqual(encode({ type: 'speech.ended', laneIndex: 0, atSample: 32_000 }), [{ ...head('speech_end'), data: { time: 2, channel: 0 } }]);
  const transcript = (isFinal: boolean): object => ({ ...head('transcript'), data: { id: '00_00000000', is_final: isFinal, utterance } });
  assert.deepEqual(encode({ type: 'utterance.interim', utterance: HELLO_WORLD }), [transcript(false)]);
  assert.deepEqual(encode({ type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' }), [
    transcript(true),
  ]);
  const failed = { translations: ['fr', 'de'].map((language) => ({ language, found: FAULT })), entities: FAULT, sentiments: FAULT };
  assert.deepEqual(analysed(HELLO_WORLD, failed), [
    { ...head('translation'), ...FAILED },
    { ...head('translation'), ...FAILED },
    { ...head('named_entity_recognition'), ...FAILED },
    { ...head('sentiment_analysis'), ...FAILED },
  ]);
  assert.deepEqual(analysed(HELLO_WORLD, failed), [], 'once');
  conversation.summarized(FAULT);
  const totals = { laneIndex: 0, heardSamples: 32_000, speechSamples: 16_000, gapSamples: 0 };
  assert.deepEqual(encode({ type: 'session.closed', reason: 'finished', lanes: [totals] }), [
    { ...head('end_recording'), data: { recording_duration: 2 } },
    { ...head('post_transcript'), data: transcription },
    { ...head('post_summarization'), ...FAILED },
    {
      ...head('post_final_transcript'),
      data: {
        metadata: { audio_duration: 2, number_of_distinct_channels: 1, billing_time: 2, transcription_time: 0 },
        transcription,
        translation: NOT_OFFERED,
        summarization: NOT_OFFERED,
        named_entity_recognition: NOT_OFFERED,
        sentiment_analysis: { ...NOT_OFFERED, results: '' },
      },
    },
    head('end_session'),
  ]);
});

test('utterances are numbered by channel; one that was nothing is not told', () => {
  const { encode } = talk({});
  const idOf = (id: string, laneIndex: number): unknown =>
    (encode({ type: 'utterance.final', utterance: { ...HELLO_WORLD, id, laneIndex }, endedBy: 'silence' })[0] as { data: { id: string } }).data.id;
  assert.deepEqual(encode({ type: 'utterance.final', utterance: { ...HELLO_WORLD, id: 'x', words: [], text: '' }, endedBy: 'silence' }), []);
  assert.deepEqual([idOf('a', 0), idOf('b', 1), idOf('c', 0), idOf('d', 1)], ['00_00000000', '01_00000000', '00_00000001', '01_00000001']);
});

test('each flag keeps its messages back', () => {
  const nothing = Object.fromEntries(
    ['partial_transcripts', 'final_transcripts', 'speech_events', 'realtime_processing_events', 'post_processing_events', 'acknowledgments', 'errors', 'lifecycle_events'].map((name) => [`receive_${name}`, false]),
  );
  const { conversation, encode, decode } = talk({ ...EVERYTHING, messages_config: nothing });
  assert.deepEqual([conversation.begin(), conversation.acknowledge([0, 2])], [[], []]);
  assert.deepEqual(decode('{"type":"stop_recording"}'), [{ type: 'finish' }]);
  for (const event of [
    { type: 'speech.started', laneIndex: 0, atSample: 0 },
    { type: 'utterance.interim', utterance: HELLO_WORLD },
    { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' },
    { type: 'session.closed', reason: 'finished', lanes: [] },
  ] as const)
    assert.deepEqual(encode(event), []);
});

test('what a session is asked for', proving('gladia', ['live: `POST /v2/live`, encodings, rates, depths'], () => {
  const request = (init: object) => requestOf(GLADIA_INIT.parse(init));
  assert.deepEqual(request({}).endpointing, { endpointMs: 50, maxUtteranceMs: 5000 });
  assert.deepEqual(formatOf(GLADIA_INIT.parse({ encoding: 'wav/ulaw', sample_rate: 8000, channels: 2 })), { container: 'raw', encoding: 'mulaw', sampleRateHz: 8000, channels: 2 });
  assert.deepEqual([8, 16, 24, 32].map((bit_depth) => [formatOf(GLADIA_INIT.parse({ bit_depth })).encoding, frameBytesOf(GLADIA_INIT.parse({ bit_depth, channels: 2 }))]), [['u8', 2], ['s16', 4], ['s24', 6], ['s32', 8]]);
  assert.equal(request({ language_config: { languages: ['fr'] } }).language, 'fr');
  assert.equal(request({ language_config: { languages: ['fr', 'en'] } }).language, undefined);
  const { text } = request({
    realtime_processing: {
      custom_vocabulary: true,
      custom_vocabulary_config: { vocabulary: ['Earshot', { value: 'lane', intensity: 1 }] },
      custom_spelling: true,
      custom_spelling_config: { spelling_dictionary: { Gladia: ['glad ya'] } },
    },
  });
  assert.deepEqual(text, { vocabulary: [{ term: 'Earshot', boost: 2 }, { term: 'lane', boost: 4 }], spelling: [{ from: ['glad ya'], to: 'Gladia' }] });
  for (const refused of [{ channels: 9 }, { sample_rate: 11_025 }, { encoding: 'wav/alaw', bit_depth: 16 }, { endpointing: 0 }, { realtime_processing: { custom_vocabulary_config: { vocabulary: ['one two three four five six'] } } }]) {
    assert.equal(GLADIA_INIT.safeParse(refused).success, false, JSON.stringify(refused));
  }
}));

test('foreign messages never break the conversation', () => {
  const object = fc.record({ type: fc.constantFrom('audio_chunk', 'stop_recording', 'x'), data: fc.jsonValue() }, { requiredKeys: ['type'] });
  const message = fc.oneof(fc.string(), fc.json(), object.map((each) => JSON.stringify(each)), fc.uint8Array());
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), (messages: WireMessage[]) => {
      const { conversation } = talk();
      for (const each of messages) conversation.decode(each);
    }),
  );
});

test('every error has a close code after which the vendor’s clients do what they should', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { closeCode } = talk().conversation.fail(new EarshotError(code, 'x'));
    assert.ok(closeCode === 1000 || closeCode === 1012 || (closeCode >= 4400 && closeCode <= 4499), `${code}: ${String(closeCode)}`);
  }
});
