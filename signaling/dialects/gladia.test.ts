import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { proving } from '../../compatibility/proving.ts';
import { ERRORS, EarshotError, type ErrorCode } from '../../src/core/errors.ts';
import type { TranscriptEvent } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import { GladiaConversation } from './gladia.ts';
import { formatOf, frameBytesOf, GLADIA_INIT, requestOf } from './gladia-init.ts';
import type { Command } from './dialect.ts';
import { GLADIA_VECTORS, type GladiaVector } from './vectors/gladia.ts';
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
  return { conversation, encode, decode };
}

for (const vector of GLADIA_VECTORS) test(vector.name, proving('gladia', vector.proves ?? [], () => { replay(vector); }));

function replay({ init, begins, steps, callbacks }: GladiaVector): void {
  const told: string[] = [];
  const conversation = new GladiaConversation({ sessionId: 'S', init: GLADIA_INIT.parse(init), language: () => 'en', now: () => 0, onCallback: (type) => told.push(type) });
  const shown = (texts: readonly string[]): unknown[] => texts.map((text) => steady(JSON.parse(text)));
  const split = (commands: readonly Command[]): { readonly frames: unknown[]; readonly commands: object[] } => ({
    frames: commands.flatMap((command) => (command.type === 'send' ? shown(command.messages) : [])),
    commands: commands.flatMap((command) => (command.type === 'send' ? [] : [command.type === 'audio' ? { type: 'audio', binary: Buffer.from(command.bytes).toString('latin1') } : command])),
  });
  assert.deepEqual(split(conversation.begin()).frames, begins);
  for (const [index, step] of steps.entries()) {
    if ('client' in step) {
      const message = typeof step.client === 'string' ? step.client : Buffer.from(step.client.binary, 'latin1');
      assert.deepEqual(split(conversation.decode(message)), { frames: step.frames ?? [], commands: step.commands });
    } else if ('taken' in step) {
      conversation.received(step.taken[1] - step.taken[0]);
      assert.deepEqual(shown(conversation.acknowledge(step.taken)), step.frames);
    } else if ('event' in step) assert.deepEqual(shown(conversation.encode({ ...step.event, seq: index + 1 })), step.frames);
    else if ('found' in step) assert.deepEqual(shown(conversation.analysed(step.of, step.found)), step.frames);
    else if ('summary' in step) conversation.summarized(step.summary);
    else assert.deepEqual(conversation.fail(new EarshotError(step.fault, 'x')), { messages: [], closeCode: step.closeCode, reason: `${step.fault}: x` });
  }
  if (callbacks) assert.deepEqual(told, callbacks);
}

test('every message of the vendor is in the vectors, both ways', () => {
  const recorded = JSON.stringify(GLADIA_VECTORS);
  for (const type of ['start_session', 'start_recording', 'audio_chunk', 'stop_recording', 'speech_start', 'speech_end', 'transcript', 'translation', 'named_entity_recognition', 'sentiment_analysis', 'end_recording', 'post_transcript', 'post_summarization', 'post_final_transcript', 'end_session']) {
    assert.ok(recorded.includes(`"type":"${type}"`), type);
  }
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
