import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import { DeepgramConversation } from './deepgram.ts';
import { earshotWords } from './earshot.ts';
import { GladiaConversation } from './gladia.ts';
import { laneWords, type UpstreamWord } from './lane-words.ts';
import { openAiWords } from './openai.ts';
import { distribute, SentSegment } from './segment-map.ts';
import type { UpstreamConversation } from './stream-protocol.ts';
import { statusError } from './upstream-error.ts';

const anyNumber = fc.oneof(fc.double(), fc.constantFrom(-1, 0, 1e308, NaN, Infinity));
const anyWord: fc.Arbitrary<UpstreamWord> = fc.record(
  { text: fc.oneof(fc.string(), fc.constantFrom('two words', ' Hello', '')), startSeconds: anyNumber, endSeconds: anyNumber, confidence: fc.double({ noNaN: true }) },
  { requiredKeys: ['text', 'startSeconds', 'endSeconds'] },
);

test('whatever times an upstream tells, words lie inside their stretch, in order, with some length', () => {
  fc.assert(
    fc.property(fc.array(anyWord), fc.nat(1e6), fc.nat(1e9), fc.nat(1e6), (words, upstreamStart, startSample, length) => {
      const endSample = startSample + length;
      let last = startSample;
      for (const { text, startSample: start, endSample: end, confidence } of laneWords(words.filter(isFinite), { upstreamStart, startSample, endSample })) {
        assert.match(text, /^\S+$/);
        assert.ok(start >= last && end > start && end <= endSample, `${start} to ${end} in ${startSample} to ${endSample}`);
        assert.ok(confidence === undefined || (confidence >= 0 && confidence <= 1));
        last = start;
      }
    }),
  );
});

const isFinite = ({ startSeconds, endSeconds }: UpstreamWord): boolean => Number.isFinite(startSeconds) && Number.isFinite(endSeconds);

test('times of the upstream are times of the lane, moved; text with one time for several words is marked', () => {
  const stretch = { upstreamStart: 2 * SAMPLE_RATE_HZ, startSample: 100_000, endSample: 200_000 };
  assert.deepEqual(laneWords([{ text: ' Hello', startSeconds: 2.5, endSeconds: 3, confidence: 0.5 }, { text: 'New York', startSeconds: 3, endSeconds: 4 }], stretch), [
    { text: 'Hello', startSample: 108_000, endSample: 116_000, confidence: 0.5 },
    { text: 'New', startSample: 116_000, endSample: 132_000, untimed: true },
    { text: 'York', startSample: 116_000, endSample: 132_000, untimed: true },
  ]);
});

test('a word belongs to the segment that holds its middle; after a cut it is nobody\'s', () => {
  const first = Object.assign(new SentSegment(0, 0), { endSample: 1000, isCut: true });
  const second = Object.assign(new SentSegment(2000, 1000), { endSample: 3000 });
  const word = (sample: number): UpstreamWord => ({ text: String(sample), startSeconds: (sample - 10) / SAMPLE_RATE_HZ, endSeconds: (sample + 10) / SAMPLE_RATE_HZ });
  const shares = distribute([word(500), word(1500), word(2500), word(9000)], [first, second]);
  assert.deepEqual([...shares].map(([segment, words]) => [segment.startSample, ...words.map(({ text }) => text)]), [[0, '500'], [1000, '2500', '9000']]);
  assert.equal(distribute([word(500)], [second]).size, 0, 'words of a segment that was settled before');
});

test('OpenAI: words take the spelling of the text where they are the same; without word times, what is there is told and marked', () => {
  const words = [{ word: 'hello', start: 0, end: 1 }, { word: 'there', start: 1, end: 2 }];
  const texts = (heard: readonly UpstreamWord[]): string => heard.map(({ text, startSeconds, endSeconds, untimed }) => `${text} ${startSeconds}-${endSeconds}${untimed ? ' untimed' : ''}`).join('; ');
  assert.equal(texts(openAiWords({ text: 'Hello, there.', words }, 3)), 'Hello, 0-1; there. 1-2');
  assert.equal(texts(openAiWords({ text: 'Hello 2 you.', words }, 3)), 'hello 0-1; there 1-2');
  assert.equal(texts(openAiWords({ text: 'A b.', segments: [{ text: ' A b.', start: 0.5, end: 1 }] }, 3)), ' A b. 0.5-1 untimed');
  assert.equal(texts(openAiWords({ text: 'A b.' }, 3)), 'A b. 0-3 untimed');
  assert.deepEqual([openAiWords({ text: ' ' }, 3), earshotWords({ data: { transcript: '' } }, 3)], [[], []]);
  assert.equal(texts(earshotWords({ data: { transcript: 'a b' } }, 3)), 'a b 0-3 untimed');
});

const CONVERSATIONS: Readonly<Record<string, () => UpstreamConversation>> = {
  Deepgram: () => new DeepgramConversation('dg'),
  Gladia: () => new GladiaConversation('gl'),
};

const LIKELY = fc.record(
  {
    type: fc.constantFrom('Results', 'Metadata', 'transcript', 'audio_chunk', 'speech_start', 'speech_end', 'error', 'Error', 'x'),
    start: fc.anything(),
    duration: fc.oneof(fc.double(), fc.anything()),
    is_final: fc.anything(),
    acknowledged: fc.anything(),
    channel: fc.oneof(fc.anything(), fc.record({ alternatives: fc.array(fc.record({ transcript: fc.string(), words: fc.anything() })) })),
    data: fc.oneof(fc.anything(), fc.record({ id: fc.string(), is_final: fc.boolean(), time: fc.double(), utterance: fc.anything(), byte_range: fc.anything() })),
  },
  { requiredKeys: ['type'] },
);

for (const [name, make] of Object.entries(CONVERSATIONS)) {
  test(`${name}: whatever arrives is understood or refused with a code of ours, and its text is in no error`, () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json(), LIKELY.map((value) => JSON.stringify(value)))), (messages) => {
        const conversation = make();
        for (const message of messages) {
          try {
            conversation.decode(message);
          } catch (error) {
            assert.ok(error instanceof EarshotError && ['UPSTREAM_SHAPE_MISMATCH', 'BACKEND_ERROR'].includes(error.code), String(error));
            assert.equal(error.cause, undefined);
          }
          conversation.isQuiet(1000);
        }
      }),
      { numRuns: 500 },
    );
  });
}

test('a status of the upstream is what it means to us, and says when to come back', () => {
  const told = (status: number, retryAfter?: string): string => {
    const { code, retryAfterSeconds } = statusError('x', status, retryAfter);
    return `${code} ${String(retryAfterSeconds)}`;
  };
  assert.equal(told(401), 'BACKEND_UNAVAILABLE undefined');
  assert.equal(told(402), 'BACKEND_UNAVAILABLE undefined');
  assert.equal(told(429), 'BACKEND_RATE_LIMITED 5');
  assert.equal(told(429, '7'), 'BACKEND_RATE_LIMITED 7');
  assert.equal(told(429, '0.5'), 'BACKEND_RATE_LIMITED 1');
  assert.equal(told(429, '-1'), 'BACKEND_RATE_LIMITED 0');
  assert.equal(told(429, 'soon'), 'BACKEND_RATE_LIMITED 5');
  assert.equal(told(429, '99999999'), 'BACKEND_RATE_LIMITED 3600');
  assert.equal(told(503, new Date(Date.now() + 60_000).toUTCString()).startsWith('BACKEND_UNAVAILABLE '), true);
  assert.equal(told(500), 'BACKEND_UNAVAILABLE 1');
  assert.equal(told(504), 'BACKEND_TIMEOUT undefined');
  assert.equal(told(400), 'BACKEND_ERROR undefined');
  assert.equal(told(302), 'UPSTREAM_SHAPE_MISMATCH undefined');
});
