import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { proving } from '../../compatibility/proving.ts';
import { msToSamples } from '../../src/core/audio.ts';
import { EarshotError } from '../../src/core/errors.ts';
import type { Transcript } from '../../src/core/session/transcribe.ts';
import { textOf, type SpeakerLabel, type Utterance } from '../../src/core/transcript.ts';
import { fileAnswer, FileAnswerStream, fileRequest, termsIn } from './openai-files.ts';
import { openaiError, openaiRefusal } from './openai-error.ts';

const request = (...fields: readonly (readonly [string, string])[]) => fileRequest(new URLSearchParams([['model', 'gpt-4o-transcribe'], ...fields] as [string, string][]));

function said(words: string, startMs: number, speakers: readonly SpeakerLabel[] = [], laneIndex = 0): Utterance {
  const list = words.split(' ').map((text, index) => {
    const speaker = speakers[Math.min(index, speakers.length - 1)];
    return { text, startSample: msToSamples(startMs + index * 500), endSample: msToSamples(startMs + index * 500 + 400), ...(speaker && { speaker }) };
  });
  return { id: `L${String(laneIndex)}-${String(startMs)}`, laneIndex, text: textOf(list), words: list, startSample: msToSamples(startMs), endSample: list.at(-1)!.endSample, stableWords: list.length };
}

const transcriptOf = (...utterances: readonly Utterance[]): Transcript => ({ utterances, backend: 'A', durationMs: 4321.5 });

const ALICE = { label: 'Alice', speakerId: 'spk_1' };
const FIRST = { label: 'SPEAKER_00', speakerId: null };
const SECOND = { label: 'SPEAKER_01', speakerId: null };

test('lists may be named with and without brackets', () => {
  for (const suffix of ['[]', '']) {
    const { words, segments, logprobs } = request([`timestamp_granularities${suffix}`, 'word'], [`timestamp_granularities${suffix}`, 'segment'], [`include${suffix}`, 'logprobs']);
    assert.deepEqual([words, segments, logprobs], [true, true, true]);
  }
});

test('what is wished reaches the session', () => {
  const { wish } = request(['language', 'en-US'], ['response_format', 'diarized_json'], ['prompt', 'Earshot'], ['chunking_strategy', '{"type":"server_vad","silence_duration_ms":250}']);
  assert.deepEqual(wish, { language: 'en', diarize: true, text: { vocabulary: [{ term: 'Earshot', boost: 1.5 }] }, endpointing: { endpointMs: 250 } });
  assert.deepEqual(request(['chunking_strategy[type]', 'server_vad'], ['chunking_strategy[silence_duration_ms]', '400']).wish, { endpointing: { endpointMs: 400 } });
  assert.deepEqual(request(['chunking_strategy', 'auto'], ['prompt', '']).wish, {});
});

test('expected words are those of a list, or the names in sentences', () => {
  const terms = (prompt: string): string[] => termsIn(prompt).map(({ term }) => term);
  assert.deepEqual(terms('ZyntriQix, Digique Plus, cyna\nB3ta'), ['ZyntriQix', 'Digique Plus', 'cyna', 'B3ta']);
  assert.deepEqual(terms('The transcript is about OpenAI which makes technology like DALL-E and GPT-3. Nobody knows why.'), ['OpenAI', 'DALL-E', 'GPT-3', 'Nobody knows why']);
  assert.deepEqual(terms('a, , --, 12'), []);
  assert.equal(terms(Array.from({ length: 300 }, (_, index) => `name${String(index)}`).join(',')).length, 100);
});

test(
  'speakers are named as enrolled, or by letters in the order in which they speak',
  proving('openai', ['files: diarized_json'], () => {
    const transcript = transcriptOf(said('hi', 0, [SECOND]), said('hello there you two', 1000, [ALICE, ALICE, FIRST]), said('again', 4000, [SECOND]));
    const { segments } = fileAnswer(request(['response_format', 'diarized_json']), transcript) as { segments: { id: string; speaker: string; text: string; start: number; end: number }[] };
    assert.deepEqual(segments.map(({ id, speaker, text }) => [id, speaker, text]), [
      ['seg_001', 'A', 'hi'],
      ['seg_002', 'Alice', 'hello there'],
      ['seg_003', 'B', 'you two'],
      ['seg_004', 'A', 'again'],
    ]);
    assert.deepEqual(segments.map(({ start, end }) => [start, end])[2], [2, 2.9]);
    const channels = transcriptOf(...Array.from({ length: 28 }, (_, index) => said('x', index * 1000, [], index)));
    const { segments: many } = fileAnswer(request(['response_format', 'diarized_json']), channels) as { segments: { speaker: string }[] };
    assert.deepEqual(many.map(({ speaker }) => speaker).slice(24), ['Y', 'Z', 'AA', 'AB']);
  }),
);

test('an engine without confidences has no logprobs, rather than made-up ones', () => {
  assert.deepEqual(fileAnswer(request(['include[]', 'logprobs']), transcriptOf(said('hi', 0))), { text: 'hi', usage: { type: 'duration', seconds: 5 } });
});

test('whatever is heard, in whatever order, deltas add up to the text of the end', () => {
  const utterance = fc.record({ words: fc.array(fc.stringMatching(/^\S{1,5}$/), { maxLength: 5 }), startMs: fc.nat(10_000), laneIndex: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(utterance), (list) => {
      const utterances = list.map(({ words, startMs, laneIndex }): Utterance => (words.length === 0 ? { ...said('x', startMs), words: [], text: '' } : said(words.join(' '), startMs, [], laneIndex)));
      const stream = new FileAnswerStream(request(['stream', 'true']));
      const text = utterances.map((each, index) => stream.encode({ type: 'utterance.final', utterance: each, endedBy: 'silence', seq: index + 1 })).join('') + stream.end(transcriptOf());
      const events = text.split('\n\n').filter((block) => block !== '').map((block) => JSON.parse(block.replace(/^data: /, '')) as { type: string; delta?: string; text?: string });
      assert.equal(events.map(({ delta = '' }) => delta).join(''), events.at(-1)?.text);
      assert.ok(events.every(({ delta }) => delta !== ''));
    }),
  );
});

test('whatever the form says, it is taken or refused by name', () => {
  const name = fc.constantFrom('model', 'language', 'prompt', 'response_format', 'temperature', 'timestamp_granularities[]', 'include', 'stream', 'chunking_strategy', 'chunking_strategy[silence_duration_ms]', 'known_speaker_names[]');
  const value = fc.oneof(fc.string(), fc.json(), fc.constantFrom('true', 'json', 'srt', 'auto', 'word', 'null', '{"silence_duration_ms":{}}'));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (fields) => {
      try {
        fileRequest(new URLSearchParams(fields));
      } catch (error) {
        assert.ok(error instanceof EarshotError && error.code === 'VALIDATION_ERROR', String(error));
        assert.ok(error.details.length > 0);
      }
    }),
    { numRuns: 500 },
  );
});

test('errors keep what clients decide by', () => {
  const spent = { message: 'Used up.', type: 'insufficient_quota', param: null, code: 'insufficient_quota' };
  assert.deepEqual(openaiRefusal(new EarshotError('BUDGET_EXCEEDED', 'Used up.'), 'req_1'), { status: 429, headers: { 'x-request-id': 'req_1', 'x-should-retry': 'false' }, body: { error: spent } });
  const full = openaiRefusal(new EarshotError('CAPACITY_EXCEEDED', '', { retryAfterSeconds: 5 }), 'req_1');
  assert.deepEqual([full.status, full.headers], [503, { 'x-request-id': 'req_1', 'x-should-retry': 'true', 'retry-after': '5' }]);
  assert.deepEqual([openaiError(new EarshotError('SESSION_IDLE', 'x')).code, openaiError(new EarshotError('VALIDATION_ERROR', 'x')).code], ['session_idle', 'invalid_value']);
});
